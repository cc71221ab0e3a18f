import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import { Connections } from '../../../services/gateway/core/connections.ts';
import { drain } from '../../../services/gateway/core/drain.ts';
import type { Kept, Pending } from '../../../services/gateway/core/kept.ts';
import { configOf } from '../../support/in-process.ts';

const deadlineMs = 10_000;

type Manner = 'leaves when told' | 'stays' | 'knows no word for it';

/** A drain under a hand-driven clock, and what its clients went through, in milliseconds from its beginning. */
class Drain {
  readonly clock = new ManualClock();
  readonly connections = new Connections(this.clock, configOf({}));
  readonly underWay = { operations: 0 };
  unanswered = 0;
  letNobodyIn = (): void => {};
  endedAt: number | undefined;
  #began = 0;

  add(manner: Manner): FakeClient {
    const client = new FakeClient(manner, () => this.clock.now() - this.#began, this.clock, this.connections);
    this.connections.add(client);
    return client;
  }

  addMany(count: number, manner: Manner): FakeClient[] {
    return Array.from({ length: count }, () => this.add(manner));
  }

  begin(elsewhere = true): void {
    const { connections, underWay, letNobodyIn, clock } = this;
    this.#began = clock.now();
    const unanswered = (): number => this.unanswered;
    const parts = { connections, underWay, unanswered, letNobodyIn, clock, deadlineMs, elsewhere };
    void drain(parts).then(() => (this.endedAt = clock.now() - this.#began));
  }

  async advance(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 20) {
      this.clock.advance(20);
      // The drain waits for its own promises in between.
      for (let turns = 0; turns < 5; turns += 1) await Promise.resolve();
    }
  }
}

class FakeClient implements Kept {
  pending: Pending = 'nothing';
  told: number | undefined;
  leftAt: number | undefined;
  closedAt: number | undefined;
  readonly goaway?: (reconnectAfterMs: number) => void;
  readonly #now: () => number;
  readonly #connections: Connections;

  constructor(manner: Manner, now: () => number, clock: ManualClock, connections: Connections) {
    this.#now = now;
    this.#connections = connections;
    if (manner === 'knows no word for it') return;
    this.goaway = (reconnectAfterMs) => {
      this.told = reconnectAfterMs;
      if (manner === 'leaves when told') clock.later(reconnectAfterMs, () => this.leave());
    };
  }

  leave(): void {
    if (this.closedAt === undefined) this.leftAt = this.#now();
    this.#connections.remove(this);
  }

  tend(): void {}

  close(): void {
    if (this.leftAt !== undefined || this.closedAt !== undefined) return;
    this.closedAt = this.#now();
    this.#connections.remove(this);
  }
}

/** How many of these fall into each tenth of the time from `from` to `to`; none may be outside. */
function tenths(moments: readonly (number | undefined)[], from: number, to: number): number[] {
  const counts = Array.from({ length: 10 }, () => 0);
  for (const moment of moments) {
    expect(moment).toBeGreaterThanOrEqual(from);
    expect(moment).toBeLessThanOrEqual(to);
    counts[Math.min(9, Math.floor(((moment! - from) / (to - from)) * 10))]! += 1;
  }
  return counts;
}

const fair = (count: number): number => Math.ceil(count / 10) + 1;

describe('a drain of a node among others', () => {
  it('gives each client a moment of its own, spread evenly, when balancers know and not before', async () => {
    const made = new Drain();
    const clients = made.addMany(1000, 'leaves when told');
    made.begin();
    expect(
      Math.max(
        ...tenths(
          clients.map(({ told }) => told),
          2500,
          6250,
        ),
      ),
    ).toBeLessThanOrEqual(fair(1000));
    await made.advance(deadlineMs);
    expect(clients.filter(({ closedAt }) => closedAt !== undefined)).toEqual([]);
    // It ends when they have left, and does not wait for its time to be over.
    expect(made.endedAt).toBeLessThan(6400);
  });

  it.each<Manner>(['stays', 'knows no word for it'])('closes who %s later, one by one', async (manner) => {
    const made = new Drain();
    const clients = made.addMany(1000, manner);
    made.begin();
    await made.advance(deadlineMs + 100);
    const counts = tenths(
      clients.map(({ closedAt }) => closedAt),
      6250,
      9500 + 20,
    );
    // One look of the drain, every 20 ms, may fall on either side.
    expect(Math.max(...counts)).toBeLessThanOrEqual(fair(1000) + 6);
    for (const { told, closedAt } of clients) if (told !== undefined) expect(closedAt! - told).toBeGreaterThan(3000);
    expect(made.endedAt).toBeLessThan(deadlineMs);
  });

  it('stays for balancers to notice when nobody is there', async () => {
    const made = new Drain();
    made.begin();
    await made.advance(2400);
    expect(made.endedAt).toBeUndefined();
    await made.advance(200);
    expect(made.endedAt).toBeDefined();
  });

  it('closes who is behind when it has caught up, or else later, and not in one wave either', async () => {
    const made = new Drain();
    const clients = made.addMany(1000, 'stays');
    for (const client of clients) client.pending = 'replay';
    made.begin();
    await made.advance(7000);
    expect(clients.filter(({ closedAt }) => closedAt !== undefined)).toEqual([]);
    clients[0]!.pending = 'nothing';
    await made.advance(20);
    expect(clients[0]!.closedAt).toBe(7020);
    await made.advance(deadlineMs - 7020);
    const counts = tenths(
      clients.slice(1).map(({ closedAt }) => closedAt),
      (6250 + deadlineMs) / 2,
      9750 + 20,
    );
    // Twice as fast as the others, and looks of 20 ms weigh more.
    expect(Math.max(...counts)).toBeLessThanOrEqual(fair(1000) + 13);
  });

  it('waits for runs without a way back, and for answers over HTTP, until its time is over', async () => {
    const made = new Drain();
    const [ends, goesOn] = [made.add('knows no word for it'), made.add('knows no word for it')];
    ends.pending = goesOn.pending = 'run';
    made.unanswered = 1;
    made.begin();
    await made.advance(deadlineMs - 200);
    ends.pending = 'nothing';
    await made.advance(100);
    expect([ends.closedAt === undefined, goesOn.closedAt]).toEqual([false, undefined]);
    expect(made.endedAt).toBeUndefined();
    await made.advance(200);
    expect(goesOn.closedAt).toBeGreaterThanOrEqual(deadlineMs);
    expect(made.endedAt).toBeLessThanOrEqual(deadlineMs + 100);
  });

  it('lets requests that are under way at the end have their answers, for as long as a store takes to fail', async () => {
    const made = new Drain();
    const [asks, stuck] = [made.add('stays'), made.add('stays')];
    asks.pending = stuck.pending = 'answers';
    made.underWay.operations = 2;
    made.begin();
    await made.advance(deadlineMs + 1000);
    expect(made.endedAt).toBeUndefined();
    asks.pending = 'nothing';
    made.underWay.operations = 1;
    await made.advance(4200);
    expect(stuck.closedAt).toBeGreaterThanOrEqual(deadlineMs + 5000);
    expect(made.endedAt).toBeDefined();
  });

  it('closes at the end who came while it went on', async () => {
    const made = new Drain();
    made.begin();
    await made.advance(1000);
    const late = made.add('knows no word for it');
    await made.advance(deadlineMs);
    expect(late.closedAt).toBeGreaterThanOrEqual(deadlineMs);
    expect(made.endedAt).toBeDefined();
  });

  it.each(['at work', 'half sent'])('answers what came before nobody could connect any more: %s', async (state) => {
    const made = new Drain();
    const set = (count: number): void => {
      if (state === 'at work') made.underWay.operations = count;
      made.unanswered = count;
    };
    made.letNobodyIn = () => set(1);
    made.begin();
    await made.advance(4000);
    expect(made.endedAt).toBeUndefined();
    set(0);
    await made.advance(20);
    expect(made.endedAt).toBe(4020);
  });

  it('waits for no request that is sent for ever', async () => {
    const made = new Drain();
    made.letNobodyIn = () => (made.unanswered = 1);
    made.begin();
    await made.advance(deadlineMs + 40);
    expect(made.endedAt).toBeLessThanOrEqual(deadlineMs + 20);
  });

  it('leaves nothing to wait for when it has ended', async () => {
    const made = new Drain();
    made.addMany(10, 'stays');
    made.begin();
    await made.advance(deadlineMs + 100);
    expect([made.connections.size, made.clock.pending]).toEqual([0, 0]);
  });
});

describe('a drain of a node that is alone with its store', () => {
  it('keeps its clients to the end, for they have nowhere to go', async () => {
    const made = new Drain();
    const told = made.add('stays');
    const untold = made.add('knows no word for it');
    made.begin(false);
    expect(told.told).toBeGreaterThanOrEqual(deadlineMs * 0.9);
    expect(told.told).toBeLessThanOrEqual(deadlineMs);
    await made.advance(deadlineMs - 100);
    expect([told.closedAt, untold.closedAt]).toEqual([undefined, undefined]);
    await made.advance(300);
    expect(made.endedAt).toBeDefined();
  });

  it('ends at once when nobody is there', async () => {
    const made = new Drain();
    made.begin(false);
    await made.advance(60);
    expect(made.endedAt).toBeDefined();
  });
});
