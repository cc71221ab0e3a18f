import type { Page } from 'playwright-core';
import { expect } from 'vitest';
import type { AgentwireEvent } from '../../shared/client/index.ts';
import { browser, openPage } from './page.ts';

/** An application in a real browser, where there is one: it subscribes to a pattern over the topics, publishes to the first, and keeps what it saw. */
export class PageMember {
  readonly #topics: readonly string[];
  readonly #publishes: number;
  #page: Page | undefined;

  constructor(topics: readonly string[], publishes: number) {
    this.#topics = topics;
    this.#publishes = publishes;
  }

  async join(port: number): Promise<void> {
    if (!browser) return;
    const pattern = this.#topics[0]!.replace(/[^.]*$/, '#');
    this.#page = await openPage(browser);
    await this.#page.evaluate(`(async () => {
      const client = new agentwire.AgentwireClient({ url: 'ws://127.0.0.1:${port}' });
      window.told = { seen: [], faults: [] };
      for (const name of ['gap', 'dropped', 'error']) client.on(name, (event) => told.faults.push(name + JSON.stringify(event)));
      await client.connect();
      await client.subscribe('${pattern}', ({ topic, seq, data }) => void told.seen.push([topic, seq, data]));
      window.client = client;
    })()`);
  }

  async publishAll(): Promise<void> {
    const publish = `client.publish('${this.#topics[0]}', 'page ' + i)`;
    await this.#page?.evaluate(`(async () => { for (let i = 0; i < ${this.#publishes}; i += 1) await ${publish}; })()`);
  }

  async expectAll(truth: Map<string, AgentwireEvent[]>): Promise<void> {
    if (!this.#page) return;
    const owed = this.#topics.map((topic) => truth.get(topic)!);
    const total = owed.reduce((sum, events) => sum + events.length, 0);
    await this.#page.waitForFunction(`told.seen.length >= ${total}`);
    const told = await this.#page.evaluate<{ seen: [string, number, unknown][]; faults: string[] }>('told');
    expect(told.faults).toEqual([]);
    for (const events of owed) {
      const seen = told.seen.filter(([topic]) => topic === events[0]?.topic);
      expect(seen.map(([, seq, data]) => [seq, data])).toEqual(events.map(({ seq, data }) => [seq, data]));
    }
    const mine = owed.flat().filter((event) => String(event.data).startsWith('page '));
    expect(mine.map((event) => event.data)).toEqual(Array.from({ length: this.#publishes }, (_, i) => `page ${i}`));
  }
}
