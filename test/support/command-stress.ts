import { expect } from 'vitest';
import { CommandClient } from './checkpoint-commands.ts';

const commands = 10_000;
/** Of ten commands so many are checkpoints, and one is a list, one asks for the figures, and one for what there is not. */
const checkpointsOfTen = 7;

/** Sends ten thousand commands without waiting, at one gateway, while somebody listens at the other. Gives back how many were answered. */
export async function stressCommands(port: number, listeningPort: number): Promise<number> {
  const client = await CommandClient.enter(port);
  const listener = await CommandClient.enter(listeningPort);
  const session = await client.createSession();
  for (const each of [client, listener]) await each.ask('subscribe', { session_id: session });
  const state = { text: 'x'.repeat(1000) };
  const others = [
    { method: 'list_checkpoints', params: { session_id: session, limit: 3 } },
    { method: 'metrics' },
    { method: 'no-such-method' },
  ];
  const before = client.answers.size;
  for (let i = 0; i < commands; i += 1) {
    const params = { session_id: session, message: `${i}`, state, tags: ['stress'] };
    client.send(others[(i % 10) - checkpointsOfTen] ?? { method: 'checkpoint', params });
  }
  await client.until(() => client.answers.size === before + commands, 'all answers');
  const made = (commands / 10) * checkpointsOfTen;
  const [own, heard] = await Promise.all([client, listener].map((each) => each.gather('checkpoint_created', made)));
  const answered = client.answers.size - before;
  expect(client.repeated).toBe(0);
  const refused = [...client.answers.values()].filter(({ success }) => success !== true);
  expect(new Set(refused.map(({ error }) => error))).toEqual(new Set(['there is no method of this name']));
  expect(refused).toHaveLength(commands / 10);
  // All events, each once and in the order of the list, wherever one listens.
  const listed = (await client.list(session, commands)).map((item) => item['checkpoint_id']);
  expect(listed).toHaveLength(made);
  for (const events of [own, heard]) expect(events?.map((data) => data['checkpoint_id'])).toEqual(listed.toReversed());
  return answered;
}
