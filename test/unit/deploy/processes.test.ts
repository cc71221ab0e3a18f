import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { becomesReady, end, isRunning, launch, signal } from '../../../deploy/local/processes.ts';
import type { ClusterProcess } from '../../../deploy/local/processes.ts';

/** A Node with this program; killed at the end of the test. */
async function started(program: string, command = process.execPath): Promise<ClusterProcess> {
  const folder = mkdtempSync(join(tmpdir(), 'agentwire-processes-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const log = join(folder, 'it.log');
  const order = { role: 'worker', name: 'it', url: '', log, command, args: ['-e', program], env: {} } as const;
  const process_ = await launch({ ...order, detached: true });
  onTestFinished(() => signal(process_, 'SIGKILL'));
  return process_;
}

const idle = 'setInterval(() => {}, 1000);';

function said(process_: ClusterProcess, text: string): Promise<void> {
  return becomesReady(process_, () => Promise.resolve(readFileSync(process_.log, 'utf8').includes(text)));
}

test('a process ends when it is told to, and both of its outputs are in its log', async () => {
  const it = await started(`console.log('out'); console.error('err'); ${idle}`);
  await said(it, 'out\nerr\n');
  expect(isRunning(it)).toBe(true);
  expect(await end(it, 10_000)).toBe(true);
  expect(isRunning(it)).toBe(false);
});

test('one that does not listen is killed, and its end is waited for', async () => {
  const it = await started(`process.on('SIGTERM', () => console.log('no')); console.log('there'); ${idle}`);
  await said(it, 'there');
  expect(await end(it, 100)).toBe(false);
  expect(isRunning(it)).toBe(false);
  expect(readFileSync(it.log, 'utf8')).toContain('no');
});

test('a pid that is another process by now is left alone', async () => {
  const it = await started(idle);
  const gone: ClusterProcess = { ...it, born: String(Number(it.born) - 1) };
  expect(isRunning(gone)).toBe(false);
  const kill = vi.spyOn(process, 'kill');
  onTestFinished(() => kill.mockRestore());
  signal(gone, 'SIGKILL');
  expect(await end(gone, 10_000)).toBe(true);
  expect(kill).not.toHaveBeenCalled();
  expect(isRunning(it)).toBe(true);
});

test('what ends while it starts is told with the end of its log', async () => {
  const it = await started(`for (let i = 1; i <= 30; i++) console.error('line ' + i);`);
  const lines = Array.from({ length: 20 }, (_, i) => `  line ${i + 11}`).join('\n');
  await expect(becomesReady(it, () => Promise.reject(new Error('not yet')))).rejects.toThrow(
    `it ended while it started\n${it.log} ends with:\n${lines}`,
  );
});

test('waiting for one is broken off', async () => {
  const it = await started(idle);
  const broken = new AbortController();
  const ready = becomesReady(it, () => Promise.resolve(false), broken.signal);
  broken.abort(new Error('enough'));
  await expect(ready).rejects.toThrow('enough');
});

test('a program that is not there is named', async () => {
  await expect(started('', 'no-such-program')).rejects.toThrow(
    'no-such-program could not be started; is it installed?',
  );
});
