import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf } from './client.ts';
import type { TestClient } from './client.ts';

/** Publishes as the protocol asks: what is answered with `unavailable` is sent again with the same messageId. */
export class Publisher {
  readonly client: TestClient;
  readonly name: string;
  /** Data that was acknowledged, by topic, in that order. */
  readonly acked = new Map<string, string[]>();
  retries = 0;
  #next = 0;

  constructor(client: TestClient, name: string) {
    this.client = client;
    this.name = name;
  }

  get count(): number {
    return this.#next;
  }

  async publish(topic: string): Promise<void> {
    const data = `${this.name} ${(this.#next += 1)}`;
    for (;;) {
      const answer = await this.client.ask({ type: 'publish', topic, data, messageId: data });
      if (answer.type === 'ok') break;
      if (codeOf(answer) !== 'unavailable') throw new Error(JSON.stringify(answer));
      this.retries += 1;
      await sleep(10);
    }
    const acked = this.acked.get(topic);
    if (acked) acked.push(data);
    else this.acked.set(topic, [data]);
  }
}
