import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import { createLogger } from '../../../shared/observe/log.ts';
import type { Child, ChildEvents } from '../../../services/gateway/processes/child.ts';
import type { FromParent } from '../../../services/gateway/processes/messages.ts';
import { Supervisor } from '../../../services/gateway/processes/supervisor.ts';

/** A process that does what the test says, and nothing by itself. */
class Puppet implements Child {
  readonly number: number;
  readonly port: number;
  readonly heard: FromParent[] = [];
  readonly signals: string[] = [];
  readonly #events: ChildEvents;

  constructor(number: number, port: number, events: ChildEvents) {
    this.number = number;
    this.port = port;
    this.#events = events;
  }

  send(message: FromParent): void {
    this.heard.push(message);
  }

  kill(signal: string): void {
    this.signals.push(signal);
  }

  listens(port = 4000): void {
    this.#events.message({ kind: 'listening', port });
  }

  asks(id: number): void {
    this.#events.message({ kind: 'ask', id, question: 'status' });
  }

  says(status: string): void {
    const told = this.heard.findLast((message) => message.kind === 'tell');
    this.#events.message({ kind: 'told', id: told!.id, status });
  }

  exits(code: number | null, signal: string | null = null): void {
    this.#events.exit(code, signal);
  }

  get answers(): string[] {
    return this.heard.flatMap((message) => (message.kind === 'answer' ? [message.text] : []));
  }
}

let clock: ManualClock;
let puppets: Puppet[];
let supervisor: Supervisor;

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function supervise(count: number, port = 0): Promise<number> {
  clock = new ManualClock();
  puppets = [];
  supervisor = new Supervisor({
    count,
    port,
    clock,
    log: createLogger('silent', {}),
    startChild(number, atPort, events) {
      const puppet = new Puppet(number, atPort, events);
      puppets.push(puppet);
      return puppet;
    },
  });
  return supervisor.start();
}

describe('the start', () => {
  it('lets the first process find the port, and resolves when all listen on it', async () => {
    let port: number | undefined;
    void supervise(3).then((found) => (port = found));
    expect(puppets.map((puppet) => puppet.port)).toEqual([0]);
    puppets[0]!.listens(4321);
    await settled();
    expect(puppets.map((puppet) => puppet.port)).toEqual([0, 4321, 4321]);
    puppets[2]!.listens(4321);
    await settled();
    expect(port).toBeUndefined();
    puppets[1]!.listens(4321);
    await settled();
    expect(port).toBe(4321);
  });

  it('fails when the first process does, and starts none again', async () => {
    const started = supervise(2);
    puppets[0]!.exits(1);
    await expect(started).rejects.toThrow('the first process ended');
    clock.advance(60_000);
    expect(puppets).toHaveLength(1);
  });
});

describe('an end in the midst of the start', () => {
  it('starts no more of them', async () => {
    void supervise(2);
    const ended = supervisor.end();
    puppets[0]!.listens();
    await settled();
    puppets[0]!.exits(0);
    expect(await ended).toBe(true);
    clock.advance(60_000);
    expect(puppets).toHaveLength(1);
  });
});

describe('of two processes', () => {
  beforeEach(async () => {
    const started = supervise(2);
    puppets[0]!.listens();
    await settled();
    puppets[1]!.listens();
    await started;
  });

  afterEach(() => {
    for (const puppet of puppets) puppet.exits(0);
  });

  it('one that dies is started again, later each time that it dies soon', async () => {
    clock.advance(60_000);
    const pauses: number[] = [];
    for (let death = 0; death < 9; death += 1) {
      const before = puppets.length;
      puppets.at(-1)!.exits(null, 'SIGKILL');
      let pause = 0;
      while (puppets.length === before) {
        clock.advance(50);
        pause += 50;
      }
      pauses.push(pause);
    }
    expect(pauses).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    expect(new Set(puppets.slice(1).map(({ number, port }) => `${number} ${port}`))).toEqual(new Set(['2 4000']));
    clock.advance(10_000);
    const before = puppets.length;
    puppets.at(-1)!.exits(0);
    clock.advance(100);
    expect(puppets).toHaveLength(before + 1);
  });

  it('any that is asked says ready when both are, else what the other one said', async () => {
    for (const [one, other, both] of [
      ['ready', 'ready', 'ready'],
      ['ready', 'store unavailable', 'store unavailable'],
      ['draining', 'ready', 'draining'],
    ] as const) {
      puppets[1]!.asks(7);
      puppets[0]!.says(one);
      puppets[1]!.says(other);
      await settled();
      expect(puppets[1]!.heard.at(-1)).toEqual({ kind: 'answer', id: 7, text: both });
    }
  });

  it('one that does not answer holds up the other for a second at most', async () => {
    puppets[0]!.asks(1);
    puppets[0]!.says('ready');
    clock.advance(999);
    await settled();
    expect(puppets[0]!.answers).toEqual([]);
    clock.advance(1);
    await settled();
    expect(puppets[0]!.answers).toEqual(['a process does not answer']);
    expect(clock.pending).toBe(0);
  });

  it('one that dies while it is asked is missing, until another one listens in its place', async () => {
    puppets[0]!.asks(1);
    puppets[0]!.says('ready');
    puppets[1]!.exits(1);
    await settled();
    clock.advance(100);
    puppets[0]!.asks(2);
    puppets[0]!.says('ready');
    await settled();
    puppets[2]!.listens();
    puppets[0]!.asks(3);
    puppets[0]!.says('ready');
    puppets[2]!.says('ready');
    await settled();
    expect(puppets[0]!.answers).toEqual(['a process is missing', 'a process is missing', 'ready']);
  });

  it('both are told to end, and none is started again', async () => {
    puppets[1]!.exits(1);
    let clean: boolean | undefined;
    void supervisor.end().then((ended) => (clean = ended));
    expect(puppets.map(({ signals }) => signals)).toEqual([['SIGTERM'], []]);
    await settled();
    expect(clean).toBeUndefined();
    puppets[0]!.exits(0);
    await settled();
    expect(clean).toBe(true);
    clock.advance(60_000);
    expect(puppets).toHaveLength(2);
  });

  it('one that does not end well is told', async () => {
    const ended = supervisor.end();
    puppets[0]!.exits(0);
    puppets[1]!.exits(null, 'SIGKILL');
    expect(await ended).toBe(false);
  });
});
