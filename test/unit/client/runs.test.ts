import { expect, expectTypeOf, onTestFinished, test } from 'vitest';
import { begun, cut, framesOf, loop, untilQuiet } from './following.ts';
import { codeOf, connected, harness, notes } from './harness.ts';

test('a run is told event by event, and its result and text are there at the end', async () => {
  const made = await connected();
  const run = made.client.run<string>('echo', { text: 'in' }, { priority: 3, metadata: { of: 'me' } });
  const told = loop(run);
  await made.quiet();
  const text = run.text();
  const { last } = made.server.runs;
  expect(last.asked).toMatchObject({ agent: 'echo', input: { text: 'in' }, priority: 3, metadata: { of: 'me' } });
  expect(await run.invocation).toBe(last.invocation);
  last.say(1, 'a', 'b');
  last.tell({ kind: 'completed', result: 'ab' });
  await made.quiet();
  expect(await run.result()).toBe('ab');
  expect(await text).toBe('ab');
  expect(await told.over).toBe('resolved');
  expect(told.said()).toEqual(['queued', 'started', 'a', 'b', 'completed']);
  expect(told.events[2]).toEqual({ kind: 'chunk', text: 'a', seq: 3, ts: made.clock.now() });
  expect(framesOf(made, 'history')).toEqual([]);
});

test('a run that is cancelled or fails rejects the result with a code, and ends the loop as any other', async () => {
  const made = await connected();
  const ends = [
    [{ kind: 'cancelled', reason: 'enough' }, 'cancelled', 'enough'],
    [{ kind: 'cancelled', reason: '' }, 'cancelled', 'the run was cancelled'],
    [{ kind: 'failed', error: { code: 'timeout', message: 'too long' } }, 'timeout', 'too long'],
  ] as const;
  for (const [end, code, message] of ends) {
    const run = await begun(made);
    const told = loop(run);
    const text = codeOf(run.text());
    made.server.runs.last.tell(end);
    await made.quiet();
    const invocation = await run.invocation;
    await expect(run.result()).rejects.toMatchObject({ name: 'RunError', code, message, invocation });
    expect([await told.over, await text]).toEqual(['resolved', code]);
    expect(told.said()).toEqual(['queued', end.kind]);
  }
});

test('events are told apart by their kind, and the result is of the type that was asked for', async () => {
  const made = await connected();
  const run = made.client.run<{ sum: number }>('adder', [1, 2]);
  expectTypeOf(run.result()).resolves.toEqualTypeOf<{ sum: number }>();
  const told = loop(run);
  await made.quiet();
  made.server.runs.last.say(1, 'three');
  await made.quiet();
  for (const event of told.events) {
    if (event.kind === 'gap') expectTypeOf(event.to).toEqualTypeOf<number | undefined>();
    else expectTypeOf(event.seq).toEqualTypeOf<number>();
    if (event.kind === 'chunk') expectTypeOf(event.text).toEqualTypeOf<string>();
    if (event.kind === 'failed') expectTypeOf(event.error.code).toEqualTypeOf<string>();
  }
});

test('a refusal rejects all that the run was asked for, and those that nobody asks for do no harm', async () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  process.on('unhandledRejection', note);
  onTestFinished(() => void process.off('unhandledRejection', note));
  const made = await connected();
  made.server.mood.forbidden.add('nobody');
  const onlyLooped = loop(made.client.run('nobody', 1));
  const onlyAwaited = codeOf(made.client.run('nobody', 1).result());
  const cancelled = codeOf(made.client.run('nobody', 1).cancel());
  made.client.run('nobody', 1);
  made.client.attach('never-was');
  await made.quiet();
  expect(await Promise.all([onlyLooped.over, onlyAwaited, cancelled])).toEqual(['not_found', 'not_found', 'not_found']);
  expect(await codeOf(made.client.run('echo', { not: undefined }).result())).toBe('bad_request');
  expect(await codeOf(made.client.attach('not an id').result())).toBe('bad_request');
  await new Promise((resolve) => setImmediate(resolve));
  expect(unhandled).toEqual([]);
});

test('what was asked for offline is started with the first connection, as far as the queue allows', async () => {
  const made = harness({ queueLimit: 2 });
  onTestFinished(() => made.client.close());
  const runs = [1, 2, 3].map((input) => made.client.run('echo', input));
  expect(await codeOf(runs[2]!.result())).toBe('busy');
  // What is only read needs no place in the queue.
  const read = codeOf(made.client.attach('never-was', { after: 1 }).text());
  void made.client.connect();
  await made.quiet();
  expect(await read).toBe('not_found');
  expect(made.server.runs.all.map(({ asked }) => asked['input'])).toEqual([1, 2]);
  const next = made.client.run('echo', 4);
  await made.quiet();
  expect(await next.invocation).toBe('r3');
});

test('an input that is too large for the server ends nothing but its run', async () => {
  const made = harness();
  onTestFinished(() => made.client.close());
  made.server.mood.maxFrameBytes = 2000;
  const large = made.client.run('echo', 'x'.repeat(3000));
  void made.client.connect();
  await made.quiet();
  expect(await codeOf(large.result())).toBe('payload_too_large');
  expect(made.server.runs.all).toEqual([]);
  expect(made.client.state).toBe('connected');
});

test('the answer to a run was lost: it is asked for again with its key, and started once', async () => {
  const made = await connected();
  const run = made.client.run('echo', 'in');
  const told = loop(run);
  made.server.socket!.toServer();
  made.server.runs.last.say(1, 'a');
  await cut(made);
  made.server.runs.last.tell({ kind: 'completed', result: 1 });
  await made.quiet();
  expect(await told.over).toBe('resolved');
  expect(told.said()).toEqual(['queued', 'started', 'a', 'completed']);
  const [first, second] = framesOf(made, 'run');
  expect(second!['key']).toBe(first!['key']);
  expect(made.server.runs.all).toHaveLength(1);
});

test('the same key of the caller is the same run, told from its beginning', async () => {
  const made = await connected();
  const first = made.client.run('echo', 'in', { key: 'mine' });
  await made.quiet();
  made.server.runs.last.say(1, 'a');
  await made.quiet();
  const second = made.client.run('echo', 'in', { key: 'mine' });
  const told = loop(second);
  await made.quiet();
  expect(await second.invocation).toBe(await first.invocation);
  expect(told.said()).toEqual(['queued', 'started', 'a']);
});

test('while the store cannot be reached a run is asked for again; busy is an answer', async () => {
  const made = await connected();
  made.server.mood.refuse = 'unavailable';
  made.server.mood.doneAnyway = () => true;
  const run = made.client.run('echo', 'in');
  await made.pass(3000);
  expect(framesOf(made, 'run').length).toBeGreaterThan(2);
  made.server.mood.refuse = undefined;
  await made.pass(6000);
  expect(await run.invocation).toBe('r1');
  expect(made.server.runs.all).toHaveLength(1);
  made.server.mood.refuse = 'busy';
  const busy = made.client.run('echo', 'in');
  await made.quiet();
  expect(await codeOf(busy.result())).toBe('busy');
});

test('a later attempt is told, and the text is that of the last one', async () => {
  const made = await connected();
  const run = await begun(made);
  const told = loop(run);
  const text = run.text();
  made.server.runs.last.say(1, 'lost', 'words');
  made.server.runs.last.say(2, 'a', 'b');
  made.server.runs.last.tell({ kind: 'completed', result: 'ab' });
  await made.quiet();
  expect(await text).toBe('ab');
  const attempts = told.events.filter((event) => event.kind === 'started').map(({ attempt }) => attempt);
  expect(attempts).toEqual([1, 2]);
});

test('a run that somebody else started is told from its beginning, or from where the caller stands', async () => {
  const made = await connected();
  const { run: others } = made.server.runs.start({ agent: 'echo' });
  others.say(1, 'a');
  const run = made.client.attach(others.invocation);
  const told = loop(run);
  const later = loop(made.client.attach(others.invocation, { after: 2 }));
  await made.quiet();
  others.tell({ kind: 'completed', result: 1 });
  await made.quiet();
  expect(told.said()).toEqual(['queued', 'started', 'a', 'completed']);
  expect(later.said()).toEqual(['a', 'completed']);
  expect(await run.result()).toBe(1);
  expect(framesOf(made, 'attach')).toHaveLength(1);
  const afterwards = made.client.attach(others.invocation);
  const again = loop(afterwards);
  await made.quiet();
  expect(again.said()).toEqual(told.said());
  expect(await afterwards.text()).toBe('a');
  const beyond = loop(made.client.attach(others.invocation, { after: 40 }));
  await made.quiet();
  expect([await beyond.over, beyond.said()]).toEqual(['resolved', []]);
});

test('a refusal for now of an attachment is asked again after a pause', async () => {
  const made = await connected();
  const run = await begun(made);
  made.server.mood.refuse = 'internal';
  await cut(made, 3000);
  expect(framesOf(made, 'attach').length).toBeGreaterThan(1);
  made.server.mood.refuse = undefined;
  made.server.runs.last.tell({ kind: 'completed', result: 1 });
  await made.pass(6000);
  expect(await run.result()).toBe(1);
});

test('each loop has all of it: also one that begins late, or after the end, or far behind', async () => {
  const made = await connected();
  const run = await begun(made);
  const first = run[Symbol.asyncIterator]();
  await first.next();
  const { last } = made.server.runs;
  const texts = Array.from({ length: 2500 }, (_, i) => `${i}`);
  last.say(1, ...texts);
  await made.quiet();
  const late = loop(run);
  last.tell({ kind: 'completed', result: 1 });
  await made.quiet();
  const after = loop(run);
  const rest = loop({ [Symbol.asyncIterator]: () => first });
  // A loop goes on by itself for as long as it has what it needs.
  const text = run.text();
  for (const { over } of [late, after, rest]) await untilQuiet(made, over);
  await untilQuiet(made, text);
  const all = ['queued', 'started', ...texts, 'completed'];
  expect(late.said()).toEqual(all);
  expect(after.said()).toEqual(all);
  expect(rest.said()).toEqual(all.slice(1));
  expect(await text).toBe(texts.join(''));
});

test('leaving a loop changes nothing of the run', async () => {
  const made = await connected();
  const run = await begun(made);
  for await (const event of run) if (event.kind === 'queued') break;
  made.server.runs.last.say(1, 'a');
  made.server.runs.last.tell({ kind: 'completed', result: 1 });
  await made.quiet();
  expect(await run.result()).toBe(1);
  expect(made.server.runs.last.controls).toEqual([]);
});

test('subscriptions to the topic of a run have their own, and the run loses nothing by them', async () => {
  const made = await connected();
  const { run: others } = made.server.runs.start({ agent: 'echo' });
  others.say(1, 'a');
  const { handler, seqs } = notes();
  const subscription = await Promise.all([made.client.subscribe(others.topic, handler), made.quiet()]);
  const told = loop(made.client.attach(others.invocation));
  await made.quiet();
  expect(told.said()).toEqual(['queued', 'started', 'a']);
  others.tell({ kind: 'chunk', text: 'b' });
  await made.quiet();
  made.server.socket!.cut();
  others.tell({ kind: 'chunk', text: 'c' });
  await made.pass(1000);
  expect(seqs).toEqual([4, 5]);
  // The server takes the attachment away with it.
  subscription[0].unsubscribe();
  await made.quiet();
  others.tell({ kind: 'completed', result: 1 });
  await made.quiet();
  expect(told.said()).toEqual(['queued', 'started', 'a', 'b', 'c', 'completed']);
  expect(seqs).toEqual([4, 5]);
  expect(made.told.gap).toEqual([]);
});

test('a subscription that is given up before it was made holds no run back', async () => {
  const made = await connected();
  const { run: others } = made.server.runs.start({ agent: 'echo' });
  made.server.mood.refuse = 'unavailable';
  const given = made.client.subscribe('run.#');
  await made.quiet();
  const told = loop(made.client.attach(others.invocation));
  await made.quiet();
  expect(framesOf(made, 'attach')).toEqual([]);
  made.server.mood.refuse = undefined;
  made.client.unsubscribe('run.#');
  await made.quiet();
  expect(await codeOf(given)).toBe('conflict');
  expect(told.said()).toEqual(['queued']);
});

test('a run whose end a subscription has brought already is not waited for', async () => {
  const made = await connected();
  const { handler, seqs } = notes();
  void made.client.subscribe('run.#', handler);
  const { run: others } = made.server.runs.start({ agent: 'echo' });
  await made.quiet();
  others.tell({ kind: 'completed', result: 1 });
  await made.quiet();
  const run = made.client.attach(others.invocation);
  const told = loop(run);
  await made.quiet();
  expect(await run.result()).toBe(1);
  expect(told.said()).toEqual(['queued', 'completed']);
  const own = loop(await begun(made));
  made.server.runs.last.tell({ kind: 'completed', result: 2 });
  await made.quiet();
  expect(own.said()).toEqual(['queued', 'completed']);
  expect(seqs).toEqual([2, 1, 2]);
});

test('what comes for a run alone goes to nobody else', async () => {
  const made = await connected();
  const { handler, seqs } = notes();
  made.client.on('run.#', handler);
  const run = await begun(made);
  made.server.runs.last.tell({ kind: 'completed', result: 1 });
  await made.quiet();
  await run.result();
  expect(seqs).toEqual([]);
  expect(made.told.event).toEqual([]);
});

test('a run is cancelled, paused, resumed and decided on by its id, also before that is known', async () => {
  const made = await connected();
  const run = made.client.run('approval', null);
  const paused = run.pause();
  await made.quiet();
  expect(await paused).toBe('queued');
  const steps = Promise.all([
    run.resume(),
    run.approve('c1'),
    run.approve('c2', 'reject', { note: 'no' }),
    run.approve('c3', 'approve', { input: { edited: true } }),
    run.status(),
    run.cancel('enough'),
  ]);
  await made.quiet();
  const [, , , , record, state] = await steps;
  expect([record.invocation, state]).toEqual(['r1', 'cancelled']);
  expect(made.server.runs.last.controls).toMatchObject([
    { type: 'pause', invocation: 'r1' },
    { type: 'resume', invocation: 'r1' },
    { type: 'approve', invocation: 'r1', call: 'c1', decision: 'approve' },
    { type: 'approve', call: 'c2', decision: 'reject', note: 'no' },
    { type: 'approve', call: 'c3', decision: 'approve', input: { edited: true } },
    { type: 'cancel', reason: 'enough' },
  ]);
  expect(await codeOf(run.result())).toBe('cancelled');
  const again = codeOf(run.cancel());
  await made.quiet();
  expect(await again).toBe('conflict');
});

test('a cancel and a pause are asked again after a cut, a resume and a decision are not', async () => {
  const made = await connected();
  const run = await begun(made);
  const lost = [codeOf(run.resume()), codeOf(run.approve('c1'))];
  const again = run.pause();
  await Promise.resolve();
  await Promise.resolve();
  await cut(made);
  expect(await Promise.all(lost)).toEqual(['unavailable', 'unavailable']);
  expect(await again).toBe('queued');
});

test('close rejects what is open and leaves nothing behind', async () => {
  const made = await connected();
  const long = await begun(made);
  made.server.runs.last.say(1, ...Array.from({ length: 1500 }, () => 'x'));
  made.server.runs.last.tell({ kind: 'completed', result: 1 });
  await made.quiet();
  const run = await begun(made);
  const told = loop(run);
  const waiting = made.client.run('echo', 1);
  await made.client.close();
  const late = made.client.run('echo', 1);
  expect(await Promise.all([run, waiting, late].map((each) => codeOf(each.result())))).toEqual([
    'unavailable',
    'unavailable',
    'conflict',
  ]);
  expect(await told.over).toBe('unavailable');
  expect(await codeOf(run.text())).toBe('unavailable');
  expect(await codeOf(run.cancel())).toBe('conflict');
  const ended = loop(long);
  expect(await ended.over).toBe('unavailable');
  expect(made.clock.pending).toBe(0);
});

test('a client that stops gives up what was not answered, and follows the rest when it is connected again', async () => {
  const made = await connected({ maxAttempts: 1 });
  const run = await begun(made);
  const texts = Array.from({ length: 1500 }, (_, i) => `${i}`);
  made.server.runs.last.say(1, ...texts);
  await made.quiet();
  made.server.away = true;
  const told = loop(run);
  const waiting = made.client.run('echo', 'never');
  const unknown = made.client.attach('r9');
  await cut(made);
  expect(made.client.state).toBe('stopped');
  expect(await codeOf(waiting.result())).toBe('unavailable');
  expect(await codeOf(unknown.result())).toBe('unavailable');
  expect(await codeOf(made.client.run('echo', 1).result())).toBe('unavailable');
  made.server.runs.last.tell({ kind: 'completed', result: 1 });
  made.server.away = false;
  const back = made.client.connect();
  await made.quiet();
  await back;
  expect(await run.result()).toBe(1);
  await untilQuiet(made, told.over);
  expect(told.said()).toEqual(['queued', 'started', ...texts, 'completed']);
  expect(made.server.runs.all).toHaveLength(1);
});
