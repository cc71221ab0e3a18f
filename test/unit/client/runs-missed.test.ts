import { expect, test } from 'vitest';
import { ok } from '../../../shared/base/errors.ts';
import { begun, cut, framesOf, loop } from './following.ts';
import { codeOf, connected } from './harness.ts';

test('a cut in between costs no event and repeats none', async () => {
  const made = await connected();
  const run = await begun(made);
  const told = loop(run);
  const { last } = made.server.runs;
  last.say(1, 'a');
  await made.quiet();
  made.server.socket!.cut();
  last.tell({ kind: 'chunk', text: 'b' });
  await made.pass(1000);
  expect(framesOf(made, 'attach')).toMatchObject([{ invocation: 'r1', after: 3 }]);
  last.tell({ kind: 'chunk', text: 'c' });
  last.tell({ kind: 'completed', result: 1 });
  await made.quiet();
  expect(told.said()).toEqual(['queued', 'started', 'a', 'b', 'c', 'completed']);
  expect(framesOf(made, 'run')).toHaveLength(1);
  await cut(made);
  expect(framesOf(made, 'attach')).toHaveLength(1);
});

test('the end that came while away is told, by events and by the result', async () => {
  const made = await connected();
  const run = await begun(made);
  const told = loop(run);
  made.server.socket!.cut();
  made.server.runs.last.say(1, 'a');
  made.server.runs.last.tell({ kind: 'completed', result: 'a' });
  await made.pass(1000);
  expect(await run.result()).toBe('a');
  expect(told.said()).toEqual(['queued', 'started', 'a', 'completed']);
});

test('of an end whose events are kept no longer the record tells, and a gap what is missing', async () => {
  const made = await connected();
  const run = await begun(made);
  const told = loop(run);
  const text = codeOf(run.text());
  made.server.socket!.cut();
  const { last } = made.server.runs;
  last.say(1, 'a');
  last.tell({ kind: 'completed', result: 'all of it' });
  made.log.trim(last.topic, 0);
  await made.pass(1000);
  expect(await run.result()).toBe('all of it');
  expect(await told.over).toBe('resolved');
  expect(told.said()).toEqual(['queued', 'gap not_kept 2-3', 'completed']);
  expect(told.events.at(-1)).toEqual({ kind: 'completed', result: 'all of it', seq: 4, ts: 7 });
  expect(await text).toBe('not_found');
  expect(made.told.gap).toEqual([]);
});

test('of failures and cancels the record tells as well', async () => {
  const made = await connected();
  const failed = await begun(made);
  const cancelled = await begun(made);
  made.server.socket!.cut();
  const [one, other] = made.server.runs.all;
  one!.tell({ kind: 'failed', error: { code: 'worker_lost', message: 'too often' } });
  other!.tell({ kind: 'cancelled', reason: 'enough' });
  for (const { topic } of [one!, other!]) made.log.trim(topic, 0);
  await made.pass(1000);
  expect(await codeOf(failed.result())).toBe('worker_lost');
  await expect(cancelled.result()).rejects.toMatchObject({ code: 'cancelled', message: 'enough' });
});

test('what was missed of an attempt that came to nothing is not missing in the text', async () => {
  const made = await connected();
  const run = await begun(made);
  made.server.socket!.cut();
  const { last } = made.server.runs;
  last.say(1, 'lost', 'words');
  last.say(2, 'a');
  made.log.trim(last.topic, 2);
  await made.pass(1000);
  const text = run.text();
  last.tell({ kind: 'completed', result: 'a' });
  await made.quiet();
  expect(await text).toBe('a');
});

test('an attachment to a run that has gone with its store is rejected', async () => {
  const made = await connected();
  const run = await begun(made);
  const told = loop(run);
  made.server.runs.all.length = 0;
  await cut(made);
  expect(await codeOf(run.result())).toBe('not_found');
  expect(await told.over).toBe('not_found');
});

test('a run that its store loses while it is followed is rejected, also where a subscription brings it', async () => {
  const made = await connected();
  const alone = await begun(made);
  const watched = await begun(made);
  const [first, second] = made.server.runs.all;
  void made.client.subscribe(second!.topic);
  await made.quiet();
  const told = [loop(alone), loop(watched)];
  const texts = [alone, watched].map((run) => codeOf(run.text()));
  first!.say(1, 'a');
  await made.quiet();
  made.server.runs.all.length = 0;
  for (const { topic } of [first!, second!]) made.log.lose(topic);
  await made.quiet();
  expect(await Promise.all([alone, watched].map((run) => codeOf(run.result())))).toEqual(['not_found', 'not_found']);
  expect(await Promise.all(texts)).toEqual(['not_found', 'not_found']);
  expect(await Promise.all(told.map(({ over }) => over))).toEqual(['not_found', 'not_found']);
  expect(told[0]!.said()).toEqual(['queued', 'started', 'a']);
  expect(made.told.dropped).toMatchObject([{ topic: second!.topic, epoch: '', reason: 'epoch' }]);
});

test('a run of which only a worker is left that still tells of it is rejected, and left', async () => {
  const made = await connected();
  const run = await begun(made);
  const { last } = made.server.runs;
  made.server.runs.all.length = 0;
  made.log.renumber(last.topic);
  last.say(1, 'for nobody');
  await made.quiet();
  expect(await codeOf(run.result())).toBe('not_found');
  expect(framesOf(made, 'unsubscribe')).toMatchObject([{ topics: [last.topic] }]);
});

test('a run that goes on though its events are gone is followed again, from what comes', async () => {
  const made = await connected();
  const run = await begun(made);
  const told = loop(run);
  const { last } = made.server.runs;
  last.say(1, 'a');
  await made.quiet();
  made.log.lose(last.topic);
  await made.pass(100);
  last.tell({ kind: 'chunk', text: 'b' });
  last.tell({ kind: 'completed', result: 'ab' });
  await made.quiet();
  expect(await run.result()).toBe('ab');
  expect(told.said()).toEqual(['queued', 'started', 'a', 'gap epoch -', 'b', 'completed']);
});

test('a server that calls a run gone which goes on is asked ever more seldom', async () => {
  const made = await connected();
  const run = await begun(made);
  const { invocation, topic } = made.server.runs.last;
  const most = 200;
  let asked = 0;
  made.server.answers.set('attach', () => {
    asked += 1;
    if (asked < most) made.server.socket!.behind.set(topic, [{ type: 'dropped', topic, epoch: '', reason: 'epoch' }]);
    return ok({ invocation, topic, state: 'running' });
  });
  made.log.lose(topic);
  await made.pass(10_000);
  const [soon] = [asked, (asked = 0)];
  await made.pass(10_000);
  expect([soon < 20, asked > 0, asked < soon]).toEqual([true, true, true]);
  made.server.answers.delete('attach');
  await made.pass(6000);
  made.server.runs.last.tell({ kind: 'completed', result: 1 });
  await made.quiet();
  expect(await run.result()).toBe(1);
});

test('events that a slow client lost are read from the history, unannounced', async () => {
  const made = await connected();
  const run = await begun(made);
  const told = loop(run);
  made.server.runs.last.say(1, 'a', 'b');
  made.server.socket!.dropOldest(0);
  await made.quiet();
  expect(told.said()).toEqual(['queued', 'started', 'a', 'b']);
  expect(made.told.dropped).toEqual([]);
});

test('an end that was lost among them is found, and what the server still holds of the run is given up', async () => {
  const made = await connected();
  const run = await begun(made);
  made.server.runs.last.tell({ kind: 'completed', result: 1 });
  made.server.socket!.dropOldest(0);
  await made.quiet();
  expect(await run.result()).toBe(1);
  const again = made.client.attach('r1');
  await made.quiet();
  expect(await again.result()).toBe(1);
  expect(loop(again).events).toEqual([]);
});

test('an end that was lost and is kept no longer is found on the record', async () => {
  const made = await connected();
  const run = await begun(made);
  const told = loop(run);
  const { last } = made.server.runs;
  last.tell({ kind: 'completed', result: 1 });
  made.server.socket!.dropOldest(0);
  made.log.trim(last.topic, 0);
  await made.quiet();
  expect(await run.result()).toBe(1);
  expect(told.said()).toEqual(['queued', 'completed']);
});

test('a new numbering is a gap, after which all that is kept is told', async () => {
  const made = await connected();
  const run = await begun(made);
  const told = loop(run);
  const { last } = made.server.runs;
  last.say(1, 'a');
  await made.quiet();
  made.log.renumber(last.topic);
  last.say(2, 'b');
  await made.quiet();
  made.server.socket!.cut();
  made.log.renumber(last.topic);
  last.say(3, 'c');
  last.tell({ kind: 'completed', result: 1 });
  await made.pass(1000);
  expect(await run.result()).toBe(1);
  const gap = 'gap epoch -';
  expect(told.said()).toEqual(['queued', 'started', 'a', gap, 'started', 'b', gap, 'started', 'c', 'completed']);
});
