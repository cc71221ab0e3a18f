import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { freePorts } from '../../deploy/local/ports.ts';
import { npmScript, root, textOf, yamlOf } from '../support/deploy-files.ts';

const dockerfile = textOf('deploy/docker/Dockerfile');
const instructions = dockerfile
  .replace(/^#.*\n/gm, '')
  .replace(/\\\n/g, ' ')
  .split('\n')
  .filter((line) => line.trim());
const last = instructions.slice(instructions.findLastIndex((line) => line.startsWith('FROM ')));

function argsOf(name: string): string[] {
  const line = last.find((one) => one.startsWith(`${name} `)) ?? '';
  return JSON.parse(line.slice(line.indexOf('['))) as string[];
}

describe('the image', () => {
  it('is built by any builder: no front end of its own, no heredoc', () => {
    expect(dockerfile).not.toMatch(/^#\s*syntax/im);
    expect(dockerfile).not.toContain('<<');
  });

  it('has the Node and the C library that uWebSockets.js has a binary for', () => {
    const bases = instructions.filter((line) => line.startsWith('FROM ')).map((line) => line.split(' ')[1]);
    expect(bases).toEqual(['node:22-bookworm-slim', 'dependencies', 'debian:bookworm-slim']);
  });

  it('runs as nobody in particular', () => {
    expect(last).toContain('USER 1000:1000');
    expect(last.findIndex((line) => line.startsWith('USER'))).toBeLessThan(
      last.findIndex((line) => line.startsWith('CMD')),
    );
  });

  it('starts the whole broker as process 1 where nothing else is said', () => {
    expect(argsOf('CMD')).toEqual(npmScript('start'));
    expect(last.join('\n')).not.toMatch(/^ENTRYPOINT/m);
  });

  it('copies only what the ignore file lets through', () => {
    const letThrough = textOf('.dockerignore').match(/(?<=^!).*/gm) ?? [];
    const copied = instructions
      .filter((line) => line.startsWith('COPY ') && !line.includes('--from='))
      .flatMap((line) => line.split(' ').slice(1, -1));
    expect(new Set(copied.map((path) => path.replace('./', '')))).toEqual(new Set(letThrough));
  });

  // Two builds of one name make two images, and who has the one that lost the name is recreated by the next `up`.
  it('is built once for all services of the compose file that run it', () => {
    interface Service {
      image: string;
      build?: { dockerfile: string };
      pull_policy?: string;
    }
    const { services } = yamlOf<{ services: Record<string, Service> }>('docker-compose.yml');
    const users = Object.entries(services).filter(([, { image }]) => image === 'agentwire');
    expect(users.map(([name, service]) => [name, service.build?.dockerfile, service.pull_policy])).toEqual([
      ['gateway', 'deploy/docker/Dockerfile', 'never'],
      ['worker', undefined, 'never'],
    ]);
  });
});

describe('the health check of the image', () => {
  async function leavesWith(port: number, ...args: string[]): Promise<unknown> {
    const env = { PATH: process.env['PATH'], PORT: String(port) };
    const child = spawn(`${root}deploy/docker/health`, args, { env });
    const [code] = (await once(child, 'exit')) as [number];
    return code;
  }

  async function serves(answers: Record<string, number>): Promise<number> {
    const server = createServer((request, response) => response.writeHead(answers[request.url ?? ''] ?? 404).end());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    return (server.address() as AddressInfo).port;
  }

  it('asks whether the process is alive, or what it is told to ask', async () => {
    const port = await serves({ '/healthz': 200, '/readyz': 503 });
    expect(await leavesWith(port)).toBe(0);
    expect(await leavesWith(port, '/readyz')).toBe(1);
  });

  it('fails where nobody answers', async () => {
    const [port = 0] = await freePorts(1);
    expect(await leavesWith(port)).toBe(1);
  });
});
