import type { AgentwireClient } from '../../shared/client/index.ts';
import {
  checkpointKey,
  checkpointsList,
  stateKey,
  taggedList,
} from '../../shared/domain/checkpoints/checkpoint-record.ts';
import { shelfKey } from '../../shared/domain/checkpoints/shelf.ts';
import { deskKey, homeOfSession } from '../../shared/domain/sessions/desk.ts';
import type { Records } from '../../shared/engine/engine.ts';
import type { CheckpointRecord } from '../../shared/protocol/checkpoints.ts';
import type { SessionLedger } from './session-ledger.ts';
import { listed, outcomeOf } from './session-places.ts';

interface Told {
  readonly kind: string;
  readonly checkpoint: string;
  readonly tags: readonly string[];
}

/** Everything about what is there that cannot be, after all that the ledger knows of was done to it. */
export async function faultsOfSessions(client: AgentwireClient, ledger: SessionLedger): Promise<string[]> {
  const faults = [...ledger.faults];
  const sessions = await listed(client.sessions.list({ limit: 7 }));
  const there = new Set(sessions.map(({ session }) => session));
  if (there.size !== sessions.length) faults.push('a session is listed twice');
  for (const record of sessions) {
    const { session } = record;
    if (!same(record, await client.sessions.get(session))) faults.push(`${session} is listed as it is not`);
    await listed(client.sessions.messages(session));
    faults.push(...(await faultsOfOne(client, session, ledger)));
  }
  for (const [session, fate] of ledger.sessions) {
    if (fate !== 'unsure' && there.has(session) !== (fate === 'there')) faults.push(`${session} is not ${fate}`);
    if (!there.has(session)) faults.push(...(await tracesOf(client, session, ledger)));
  }
  return faults;
}

async function faultsOfOne(client: AgentwireClient, session: string, ledger: SessionLedger): Promise<string[]> {
  const faults: string[] = [];
  const list = await listed(client.checkpoints.list(session, { limit: 7 }));
  const ids = new Set(list.map(({ checkpoint }) => checkpoint));
  if (ids.size !== list.length) faults.push(`${session} lists a checkpoint twice`);
  for (const record of list) {
    const { checkpoint } = record;
    if (!same(record, await client.checkpoints.get(checkpoint))) faults.push(`${checkpoint} is listed as it is not`);
  }
  for (const tag of new Set(list.flatMap(({ tags }) => tags))) {
    const tagged = await listed(client.checkpoints.list(session, { tag }));
    const expected = list.filter(({ tags }) => tags.includes(tag));
    if (!same(tagged, expected)) faults.push(`${session} has ${tagged.length} tagged ${tag}, of ${expected.length}`);
  }
  for (const [checkpoint, known] of ledger.checkpoints) {
    const { fate, state } = known;
    if (known.session !== session) continue;
    if (fate !== 'unsure' && ids.has(checkpoint) !== (fate === 'there')) faults.push(`${checkpoint} is not ${fate}`);
    const found = list.find((record) => record.checkpoint === checkpoint);
    if (found && !same(found.state, state)) faults.push(`${checkpoint} has another state`);
    if (!found && (await outcomeOf(client.checkpoints.get(checkpoint))) !== 'not_found')
      faults.push(`${checkpoint} is found and not listed`);
  }
  return [...faults, ...(await faultsOfTelling(client, session, list))];
}

/** The events lead to what is there: nothing was done without a word, and nothing said that was not done. */
async function faultsOfTelling(
  client: AgentwireClient,
  session: string,
  list: readonly CheckpointRecord[],
): Promise<string[]> {
  const faults: string[] = [];
  const told = new Set<string>();
  let before: Told | undefined;
  let after = 0;
  for (let more = true; more;) {
    const page = await client.history(`session.${session}.checkpoints`, { after, limit: 1000 });
    for (const { seq, data } of page.events) {
      const event = data as Told;
      const { kind, checkpoint } = event;
      if (seq !== (after += 1)) faults.push(`${session} tells ${seq} in place of ${after}`);
      if (kind === 'created') told.add(checkpoint);
      else if (!told.has(checkpoint)) faults.push(`${checkpoint} is ${kind} and was not there`);
      if (kind === 'deleted') told.delete(checkpoint);
      const kept = before?.kind === 'created' && before.tags.includes('auto');
      if (kind === 'restored' && !kept) faults.push(`${checkpoint} was restored, and nothing kept before`);
      before = event;
    }
    ({ more } = page);
  }
  const ids = list.map(({ checkpoint }) => checkpoint);
  if (!same([...told].toSorted(), ids.toSorted()))
    faults.push(`${session} has ${ids.length}, and tells of ${told.size}`);
  return faults;
}

/** Of a session that is gone nothing is to be found by anybody. */
async function tracesOf(client: AgentwireClient, session: string, ledger: SessionLedger): Promise<string[]> {
  const own = [...ledger.checkpoints].filter(([, known]) => known.session === session);
  const reads: [string, Promise<unknown>][] = [
    ['the record', client.sessions.get(session)],
    ['messages', client.sessions.messages(session).page()],
    ['checkpoints', client.checkpoints.list(session).page()],
    ...own.map(([checkpoint]): [string, Promise<unknown>] => [checkpoint, client.checkpoints.get(checkpoint)]),
  ];
  const outcomes = await Promise.all(reads.map(async ([what, read]) => [what, await outcomeOf(read)]));
  return outcomes.filter(([, outcome]) => outcome !== 'not_found').map(([what]) => `${session} left ${what}`);
}

/** Nor is anything left of it in the store. A delete that was cut off is done by the next one, which is therefore sent. */
export async function remainsOf(
  client: AgentwireClient,
  records: Records,
  session: string,
  ledger: SessionLedger,
): Promise<string[]> {
  const again = await outcomeOf(client.sessions.delete(session));
  if (again !== 'not_found') return [`${session} was gone, and is deleted again: ${again}`];
  const home = homeOfSession(session);
  const own = [...ledger.checkpoints].flatMap(([checkpoint, known]) => (known.session === session ? [checkpoint] : []));
  const keys = [deskKey, shelfKey, ...own.flatMap((checkpoint) => [checkpointKey(checkpoint), stateKey(checkpoint)])];
  const read = await records.read(home, keys);
  const pages = await Promise.all(
    [checkpointsList, ...['storm', 'auto', 'of true', 'of false'].map(taggedList)].map((list) =>
      records.page(home, list, { limit: 10 }),
    ),
  );
  const found = read.ok ? keys.filter((_, i) => read.value[i] !== undefined) : ['nobody knows what'];
  const places = pages.flatMap((page) => (page.ok ? page.value.keys : ['nobody knows what']));
  return [...found, ...places].map((what) => `${session} left ${what}`);
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
