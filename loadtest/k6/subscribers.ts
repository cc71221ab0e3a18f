import exec from 'k6/execution';
import http from 'k6/http';
import { clearInterval, setInterval } from 'k6/timers';
import { listener, topicsOf } from './audience.ts';
import type { ListeningLoad } from './audience.ts';
import { Client } from './client.ts';
import type { Position } from './ledger.ts';
import { count, delivered, fail, owed } from './measures.ts';
import { listeningOf } from './plan.ts';
import { moments, setting, until } from './setting.ts';
import type { Moments } from './setting.ts';

const lookEveryMs = 50;
const tellEveryMs = 250;

/** One virtual user with its connections, from connecting to the end of the drain. */
export async function subscribers(): Promise<void> {
  const { run, url, socketUrl, profile, format, ...rest } = setting();
  const load = rest.load as ListeningLoad;
  const { topics: size, crowd } = listeningOf(profile, load);
  const topics = topicsOf(load, run, size);
  const plan = moments(profile);
  const first = exec.scenario.iterationInTest * crowd.connections;
  const clients = Array.from(
    { length: crowd.connections },
    (_, index) => new Client(socketUrl, format, listener(load, run, topics, first + index), plan),
  );
  const tally = new Tally(clients);
  const telling = setInterval(() => tally.tell(), tellEveryMs);
  try {
    await Promise.all(clients.map((client) => client.arrive()));
    if (load === 'reconnect-storm') await storm(clients, plan, profile.reconnectStorm);
    await until(plan.quiet);
    await drain(clients, url, profile.phases.drain * 1000);
  } catch (error) {
    fail(`${load}: a subscriber did not come through: ${String(error)}`);
  }
  // Before the scenario ends: a socket that k6 takes away would look like one that was lost.
  await Promise.all(clients.map((client) => client.leave()));
  clearInterval(telling);
  tally.tell();
}

/** Each figure that k6 is told costs it a tenth of an event, so the deliveries of all clients are told together. */
class Tally {
  readonly #clients: readonly Client[];
  #told = 0;

  constructor(clients: readonly Client[]) {
    this.#clients = clients;
  }

  tell(): void {
    const received = receivedBy(this.#clients);
    delivered.add(received - this.#told);
    owed.add(this.#told - received);
    this.#told = received;
  }
}

function receivedBy(clients: readonly Client[]): number {
  return clients.reduce((sum, { received }) => sum + received, 0);
}

/** All clients of all virtual users are gone at the same moment, and at a later one all are back. */
async function storm(
  clients: readonly Client[],
  { measureFrom, measureTo }: Moments,
  { cuts, awayMs }: { cuts: number; awayMs: number },
): Promise<void> {
  for (let cut = 1; cut <= cuts; cut++) {
    const moment = measureFrom + ((measureTo - measureFrom) * cut) / (cuts + 1);
    await until(moment);
    await Promise.all(clients.map((client) => client.leave()));
    await until(moment + awayMs);
    await Promise.all(clients.map((client) => client.comeBack()));
  }
}

/** Waits for what is on its way, until nothing has come for a while, then holds what there is against the heads of the topics. */
async function drain(clients: readonly Client[], url: string, patienceMs: number): Promise<void> {
  const heads = new Map<string, Position>();
  for (const topic of new Set(clients.flatMap((client) => client.topics))) heads.set(topic, headOf(url, topic));
  let received = receivedBy(clients);
  let lastAt = Date.now();
  while (!clients.every((client) => client.hasAll(heads)) && Date.now() - lastAt < patienceMs) {
    await until(Date.now() + lookEveryMs);
    if (receivedBy(clients) === received) continue;
    received = receivedBy(clients);
    lastAt = Date.now();
  }
  for (const client of clients) {
    for (const topic of client.topics) count(client.ledger(topic).end(heads.get(topic)!));
  }
}

function headOf(url: string, topic: string): Position {
  const { status, body } = http.get(`${url}/v1/topics/${topic}/events?limit=1`);
  if (status !== 200) throw new Error(`the head of ${topic}: HTTP ${status}`);
  return JSON.parse(body as string) as Position;
}
