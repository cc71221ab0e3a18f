import { describe, expect, test } from 'vitest';
import { must } from '../../../shared/base/assert.ts';
import { ManualClock } from '../../../shared/base/clock.ts';
import { claim } from '../../../shared/domain/runs/holding-claim.ts';
import type { Claimed } from '../../../shared/domain/runs/holding-claim.ts';
import type { Held } from '../../../shared/domain/runs/holding.ts';
import { step } from '../../../shared/domain/runs/machine.ts';
import type { Command } from '../../../shared/domain/runs/machine.ts';
import type { Run } from '../../../shared/domain/runs/run.ts';
import { RunStore } from '../../../shared/domain/runs/run-store.ts';
import { createMemoryEngine } from '../../../shared/engine/memory/engine.ts';
import type { RunEvent } from '../../../shared/protocol/run-events.ts';
import { DisturbedStore } from '../../support/disturbed-store.ts';
import type { Mood } from '../../support/disturbed-store.ts';

const none = { messages: [] };
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

class Stage {
  readonly clock = new ManualClock();
  readonly disturbed = new DisturbedStore();
  readonly #engine = createMemoryEngine({ historySize: 10_000, historyTtlMs: 1e9, metaTtlMs: 1e9 });
  readonly store = new RunStore(this.#engine, { historySize: 10_000 });
  readonly job = new AbortController();
  readonly #parts;

  constructor() {
    const engine = this.disturbed.around(this.#engine);
    const store = new RunStore(engine, { historySize: 10_000 });
    this.#parts = { engine, store, clock: this.clock, maxEventBytes: 1000 };
  }

  async create(run: Partial<Run> = {}): Promise<void> {
    const made: Run = {
      invocation: 'i',
      agent: 'a',
      owner: 'o',
      state: 'queued',
      attempt: 0,
      fence: 0,
      takeovers: 0,
      retries: 0,
      priority: 0,
      timeoutMs: 1000,
      createdAt: 1,
      pending: [],
      decisions: {},
      metadata: {},
      ...run,
    };
    expect(await this.store.create(made, { input: 'in' })).toMatchObject({ ok: true });
  }

  async claim(worker = 'w', here = true): Promise<Claimed> {
    const claimed = await claim(this.#parts, worker, 'i', this.job.signal, () => here);
    if (!claimed.ok) throw new Error(claimed.message);
    return claimed.value;
  }

  async held(worker = 'w'): Promise<Held> {
    const claimed = await this.claim(worker);
    if (claimed.is !== 'held') throw new Error(claimed.is);
    return claimed.held;
  }

  async wish(command: Command): Promise<void> {
    expect(await this.store.change('i', (run) => step(run, command))).toMatchObject({ ok: true });
  }

  async run(): Promise<Run> {
    const loaded = await this.store.load('i');
    if (!loaded.ok) throw new Error(loaded.message);
    return loaded.value.run;
  }

  async events(): Promise<RunEvent[]> {
    const read = await this.#engine.log.read('run.i', { limit: 1000 });
    if (!read.ok) throw new Error(read.message);
    return read.value.events.map(({ body }) => (JSON.parse(body) as { data: RunEvent }).data);
  }

  async texts(): Promise<string> {
    return (await this.events()).map((event) => (event.kind === 'chunk' ? event.text : '')).join('');
  }

  /** What is asked for while the store is in this mood is answered once it is well again. */
  async through<T>(mood: Mood, ask: () => Promise<T>): Promise<T> {
    this.disturbed.mood = mood;
    const answer = ask();
    for (let turns = 0; turns < 4; turns++) await turn();
    this.disturbed.mood = 'fine';
    this.clock.advance(1000);
    const answered = await answer;
    // Whatever was only late comes now, when it was asked for again long ago.
    await this.disturbed.arrive();
    await turn();
    return answered;
  }
}

const chunk = (text: string): RunEvent => ({ kind: 'chunk', text });
const moods: Mood[] = ['away', 'mute', 'late'];

describe('a claim', () => {
  test('is one commit, and tells what it has found', async () => {
    const stage = new Stage();
    expect(await stage.claim()).toEqual({ is: 'not ours' });
    await stage.create();
    expect(await stage.claim('w', false)).toMatchObject({ is: 'not here', run: { attempt: 0 } });
    const claimed = await stage.claim();
    expect(claimed).toMatchObject({ is: 'held', takeover: false });
    expect(await stage.claim('x')).toMatchObject({ is: 'held', takeover: true });
    expect(await stage.events()).toEqual([
      { kind: 'queued' },
      { kind: 'started', attempt: 1 },
      { kind: 'started', attempt: 2 },
    ]);
  });

  test('of a paused run leaves it to nobody, and of a cancelled one ends it, whoever knows the agent', async () => {
    const stage = new Stage();
    await stage.create({ worker: 'dead', state: 'paused', pauseRequested: true, fence: 3 });
    expect(await stage.claim()).toEqual({ is: 'not ours' });
    expect(await stage.run()).not.toHaveProperty('worker');

    const other = new Stage();
    await other.create({ worker: 'dead', state: 'running', cancel: { reason: 'r' }, fence: 3 });
    expect(await other.claim('w', false)).toMatchObject({ is: 'over', run: { state: 'cancelled' } });
    // And again, by whoever gets the job of it after a crash.
    expect(await other.claim('w', false)).toMatchObject({ is: 'over', run: { state: 'cancelled' } });
  });

  test.each(moods)('that meets a store that is %s is made once, and is no takeover', async (mood) => {
    const stage = new Stage();
    await stage.create();
    // The reading goes through, the commit does not.
    const claimed = await stage.through(mood === 'away' ? 'away' : 'fine', () => {
      const answer = stage.claim();
      stage.disturbed.mood = mood;
      return answer;
    });
    expect(claimed).toMatchObject({ is: 'held', takeover: false });
    expect(await stage.run()).toMatchObject({ takeovers: 0, worker: 'w' });
  });

  test('is given up with the job', async () => {
    const stage = new Stage();
    await stage.create();
    stage.disturbed.mood = 'away';
    const claimed = stage.claim();
    await turn();
    stage.job.abort();
    await expect(claimed).rejects.toThrow('unknown');
  });
});

describe('what is said', () => {
  test.each(moods)('to a store that is %s arrives once and in order', async (mood) => {
    const stage = new Stage();
    await stage.create();
    const held = await stage.held();
    await stage.through(mood, async () => {
      held.say(chunk('1'));
      await turn();
      held.say(chunk('2'));
      held.say(chunk('3'));
      await turn();
      held.say(chunk('4'));
    });
    await stage.through(mood, async () => {
      held.say(chunk('5'));
      held.say(chunk('6'));
    });
    for (let turns = 0; turns < 4; turns++) await turn();
    expect(await stage.texts()).toBe('123456');
    expect(await held.end({ kind: 'completed', result: 1 }, none)).toMatchObject({ ok: true });
    await stage.disturbed.arrive();
    expect(await stage.texts()).toBe('123456');
    expect((await stage.events()).at(-1)).toEqual({ kind: 'completed', result: 1 });
  });

  test('has a bound, over which there is room only when the store has taken it', async () => {
    const stage = new Stage();
    await stage.create();
    const held = await stage.held();
    stage.disturbed.mood = 'away';
    let said = 0;
    for (; !held.full; said++) held.say(chunk('x'));
    expect(said).toBe(256);
    let room = false;
    void held.room().then(() => (room = true));
    await turn();
    stage.clock.advance(50);
    await turn();
    expect(room).toBe(false);
    stage.disturbed.mood = 'fine';
    stage.clock.advance(1000);
    await turn();
    expect(room).toBe(true);
    expect(held.full).toBe(false);
    expect(await stage.texts()).toBe('x'.repeat(256));
  });

  test('is refused in words where it cannot be carried', async () => {
    const stage = new Stage();
    await stage.create();
    const held = await stage.held();
    expect(held.say(chunk('x'.repeat(1000)))).toMatchObject({ code: 'payload_too_large' });
    expect(held.say({ kind: 'message', role: 'r', content: 1n })).toMatchObject({ code: 'bad_request' });
    await turn();
    expect(await stage.texts()).toBe('');
  });

  test('of progress before a pause is heard before it, and not in the middle of it', async () => {
    const stage = new Stage();
    await stage.create();
    const held = await stage.held();
    for (const percent of [1, 2, 3]) held.report({ percent });
    await stage.wish({ do: 'pause' });
    await held.look();
    expect(await held.holdStill()).toMatchObject({ ok: true, value: { state: 'paused' } });
    stage.clock.advance(1000);
    await turn();
    expect((await stage.events()).slice(-3)).toEqual([
      { kind: 'progress', percent: 1 },
      { kind: 'progress', percent: 3 },
      { kind: 'paused' },
    ]);
  });

  test('carries no message id that a client would see', async () => {
    const stage = new Stage();
    await stage.create();
    const held = await stage.held();
    held.say(chunk('x'));
    expect((await held.end({ kind: 'completed', result: 1 }, none)).ok).toBe(true);
    expect(JSON.stringify(await stage.events())).not.toContain('messageId');
  });
});

describe('a step', () => {
  test.each(moods)('of a run whose store is %s is made once', async (mood) => {
    const stage = new Stage();
    await stage.create();
    const held = await stage.held();
    const call = { call: 'c', name: 'n', args: 1 };
    expect(await stage.through(mood, () => held.ask(call))).toMatchObject({ ok: true });
    await stage.wish({ do: 'decide', call: 'c', decision: { decision: 'approve' } });
    expect(await held.takeDecision('c')).toMatchObject({ ok: true });
    await stage.wish({ do: 'pause' });
    await held.look();
    expect(await stage.through(mood, () => held.holdStill())).toMatchObject({ ok: true });
    await stage.wish({ do: 'resume' });
    await held.look();
    expect(await stage.through(mood, () => held.goOn())).toMatchObject({ ok: true });
    held.say(chunk('last'));
    const ended = await stage.through(mood, () => held.end({ kind: 'completed', result: 1 }, none));
    // The one who ended it knows, and will settle it.
    expect(ended).toMatchObject({ ok: true, value: { state: 'completed' } });
    expect((await stage.events()).map(({ kind }) => kind)).toEqual([
      'queued',
      'started',
      'approval_required',
      'approved',
      'paused',
      'resumed',
      'chunk',
      'completed',
    ]);
  });

  test.each(moods)('out of these hands, while the store is %s, is made once', async (mood) => {
    const stage = new Stage();
    await stage.create();
    const back = await stage.held();
    back.say(chunk('1'));
    back.say(chunk('2'));
    expect(await stage.through(mood, () => back.handBack())).toMatchObject({ ok: true, value: { state: 'queued' } });
    const again = await stage.held();
    const error = { code: 'c', message: 'm' };
    again.say(chunk('3'));
    const tried = await stage.through(mood, () => again.tryAgain(error, none));
    expect(tried).toMatchObject({ ok: true, value: { state: 'queued', retries: 1 } });
    expect((await stage.events()).map(({ kind }) => kind)).toEqual([
      'queued',
      'started',
      'chunk',
      'chunk',
      'queued',
      'started',
      'chunk',
      'queued',
    ]);
    // Nothing is heard of it afterwards.
    again.say(chunk('late'));
    expect(await again.end({ kind: 'completed', result: 1 }, none)).toMatchObject({ code: 'conflict' });
    expect(await stage.texts()).toBe('123');
  });

  test.each(moods)(
    'out of these hands that tells of nothing, while the store is %s, keeps what is said once',
    async (mood) => {
      const stage = new Stage();
      await stage.create();
      const held = await stage.held();
      await stage.wish({ do: 'pause' });
      await held.look();
      await held.holdStill();
      held.say(chunk('1'));
      held.say(chunk('2'));
      expect(await stage.through(mood, () => held.handBack())).toMatchObject({ ok: true, value: { state: 'paused' } });
      for (let turns = 0; turns < 4; turns++) await turn();
      expect((await stage.events()).map(({ kind }) => kind)).toEqual(['queued', 'started', 'paused', 'chunk', 'chunk']);
    },
  );

  test('that a client’s wish overtakes is decided again', async () => {
    const stage = new Stage();
    await stage.create({ session: 's' });
    const held = await stage.held();
    await stage.wish({ do: 'cancel', reason: 'r', at: 1 });
    const ended = await held.end({ kind: 'completed', result: 1 }, { messages: [{ role: 'assistant', content: 't' }] });
    expect(ended).toMatchObject({ value: { state: 'cancelled' } });
    expect((await stage.events()).at(-1)).toEqual({ kind: 'cancelled', reason: 'r' });
    expect(await stage.store.outcome('i')).toMatchObject({ value: { messages: [{ content: 't' }] } });
  });

  test('asking for what was decided meanwhile asks nobody', async () => {
    const stage = new Stage();
    await stage.create({ pending: [{ call: 'c', name: 'n', args: 1, attempt: 1 }] });
    const held = await stage.held();
    await stage.wish({ do: 'decide', call: 'c', decision: { decision: 'reject' } });
    expect(await held.ask({ call: 'c', name: 'n', args: 1 })).toMatchObject({ value: { state: 'running' } });
    expect((await stage.events()).map(({ kind }) => kind)).toEqual(['queued', 'started']);
  });
});

describe('a run that is lost', () => {
  test('to another worker falls silent, and says so once', async () => {
    const stage = new Stage();
    await stage.create();
    const held = await stage.held();
    let lost = 0;
    held.whenLost = () => (lost += 1);
    const next = await stage.held('x');
    held.say(chunk('late'));
    for (let turns = 0; turns < 4; turns++) await turn();
    expect(lost).toBe(1);
    expect(held.gone).toBe(true);
    expect(await held.holdStill()).toMatchObject({ code: 'conflict' });
    held.say(chunk('later'));
    next.say(chunk('mine'));
    await turn();
    expect(await stage.texts()).toBe('mine');
    expect(lost).toBe(1);
  });

  test('to a later claim of the same worker, too', async () => {
    const stage = new Stage();
    await stage.create();
    const held = await stage.held();
    await stage.held();
    expect(await held.end({ kind: 'completed', result: 1 }, none)).toMatchObject({ code: 'conflict' });
    expect(await stage.run()).toMatchObject({ state: 'running', fence: 2 });
  });

  test('is found out by a look, and so is what somebody wants', async () => {
    const stage = new Stage();
    await stage.create();
    const held = await stage.held();
    const heeded: Run[] = [];
    held.heed = (run) => void heeded.push(run);
    let lost = false;
    held.whenLost = () => (lost = true);
    await stage.wish({ do: 'pause' });
    await held.look();
    expect(heeded.at(-1)).toMatchObject({ pauseRequested: true });
    await stage.wish({ do: 'give up', error: { code: 'c', message: 'm' }, at: 1 });
    await held.look();
    expect(lost).toBe(true);
    expect(heeded).toHaveLength(1);
  });

  test('with its job writes nothing more, not even what waits for the store', async () => {
    const stage = new Stage();
    await stage.create();
    const held = await stage.held();
    stage.disturbed.mood = 'away';
    held.say(chunk('never'));
    const end = held.end({ kind: 'completed', result: 1 }, none);
    await turn();
    stage.job.abort();
    expect(await end).toMatchObject({ code: 'conflict' });
    stage.disturbed.mood = 'fine';
    stage.clock.advance(10_000);
    await turn();
    expect(must((await stage.events()).at(-1)).kind).toBe('started');
    expect(stage.clock.pending).toBe(0);
  });
});
