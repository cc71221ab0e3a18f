import exec from 'k6/execution';
import { audiences, topicsOf } from './audience.ts';
import type { ListeningLoad } from './audience.ts';
import { Connection } from './connection.ts';
import { answerMs, fail, owed, published } from './measures.ts';
import { listeningOf } from './plan.ts';
import { setting, until } from './setting.ts';
import type { Payload } from './ledger.ts';
import { formats } from './wire.ts';

/** Brings an event to about 200 bytes. */
const words = 'the quick brown fox jumps over the lazy dog and on';

/** By load: k6 gives a virtual user to one scenario after the other. */
const heard = new Map<ListeningLoad, ReadonlyMap<string, number>>();

/** One publisher: comes, publishes some events to one topic without waiting for answers in between, and goes. */
export async function publisher(): Promise<void> {
  const { run, socketUrl, profile, format, ...rest } = setting();
  const load = rest.load as ListeningLoad;
  const { topics: size, crowd, publishing } = listeningOf(profile, load);
  const { iterationInTest } = exec.scenario;
  const topics = topicsOf(load, run, size);
  const topic = topics[iterationInTest % size]!;
  if (!heard.has(load)) heard.set(load, audiences(load, run, topics, crowd, formats.length));
  const audience = heard.get(load)!.get(topic)!;
  const name = `${format}-${iterationInTest}`;

  const publish = async (connection: Connection, number: number): Promise<void> => {
    const at = Date.now();
    const data: Payload & { text: string } = { publisher: name, number, of: publishing.events, at, text: words };
    try {
      await connection.request({ type: 'publish', topic, data, messageId: `${name}-${number}` });
      answerMs.add(Date.now() - at);
      published.add(1);
      owed.add(audience);
    } catch (error) {
      fail(`${load}: a publish failed: ${String(error)}`);
    }
  };
  try {
    const lost = (): void => fail(`${load}: a publisher lost its connection`);
    await Connection.during(socketUrl, format, { push: () => undefined, lost }, async (connection) => {
      const begun = Date.now();
      const answers: Promise<void>[] = [];
      for (let number = 1; number <= publishing.events; number++) {
        answers.push(publish(connection, number));
        await until(begun + number * publishing.everyMs);
      }
      await Promise.all(answers);
    });
  } catch (error) {
    fail(`${load}: a publisher did not come through: ${String(error)}`);
  }
}
