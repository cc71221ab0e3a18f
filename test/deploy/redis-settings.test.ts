import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { keptByRedis } from '../../deploy/local/cluster.ts';
import { textOf, yamlOf } from '../support/deploy-files.ts';

interface Container {
  args: string[];
  resources: { limits: { memory: string } };
}
interface StatefulSet {
  kind: string;
  spec: { template: { spec: { containers: [Container] } } };
}

const compose = yamlOf<{ services: { redis: { command: string[] } } }>('docker-compose.yml');
const trial = parseAllDocuments(textOf('deploy/kubernetes/trial/redis.yaml'))
  .map((document) => document.toJS() as StatefulSet)
  .find(({ kind }) => kind === 'StatefulSet')!.spec.template.spec.containers[0];

/** `--name value …` as pairs. */
function settingsOf(args: readonly string[]): Record<string, string> {
  const names = args.filter((_, i) => i % 2 === 0);
  return Object.fromEntries(names.map((name, i) => [name, args[2 * i + 1] ?? '']));
}

describe('the Redis that comes along', () => {
  const settings = settingsOf(keptByRedis);

  it('is the same in containers and as a plain process', () => {
    const [program, ...args] = compose.services.redis.command;
    expect([program, settingsOf(args)]).toEqual(['redis-server', settings]);
  });

  it('is the same on Kubernetes, but for a bound below that of its container', () => {
    const [program, ...args] = trial.args;
    const { '--maxmemory': bound, ...rest } = settingsOf(args);
    expect([program, rest]).toEqual(['redis-server', settings]);
    expect([bound, trial.resources.limits.memory]).toEqual(['768mb', '1Gi']);
  });

  it('writes what it has to a file, evicts nothing, and takes no snapshots, which could stop every change', () => {
    expect(settings).toEqual({
      '--appendonly': 'yes',
      '--appendfsync': 'everysec',
      '--save': '',
      '--maxmemory-policy': 'noeviction',
    });
  });
});
