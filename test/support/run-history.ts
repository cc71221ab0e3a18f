import { vi } from 'vitest';
import { runEnds } from '../../shared/protocol/run-events.ts';
import type { RunEvent } from '../../shared/protocol/run-events.ts';
import type { RunRecord } from '../../shared/protocol/runs.ts';
import type { Http } from './in-process.ts';

export interface LoggedEvent {
  readonly seq: number;
  readonly epoch: string;
  readonly data: RunEvent;
}

interface Page {
  events: LoggedEvent[];
  more: boolean;
}

/** All that is kept of a run's events: the truth that every watcher's account is held against. */
export async function historyOf(http: Http, invocation: string): Promise<LoggedEvent[]> {
  const events: LoggedEvent[] = [];
  for (let more = true; more;) {
    const path = `/v1/topics/run.${invocation}/events?after=${events.length}&limit=1000`;
    const answer = await http('GET', path);
    if (answer.status !== 200) throw new Error(`no history of ${invocation}: ${answer.text}`);
    const page = answer.json<Page>();
    events.push(...page.events);
    more = page.more;
  }
  return events;
}

export async function recordOf(http: Http, invocation: string): Promise<RunRecord> {
  const answer = await http('GET', `/v1/runs/${invocation}`);
  if (answer.status !== 200) throw new Error(`no record of ${invocation}: ${answer.text}`);
  return answer.json<{ invocation: RunRecord }>().invocation;
}

/** The record, once it is as asked. */
export function whenRun(
  http: Http,
  invocation: string,
  is: (run: RunRecord) => boolean,
  patience = { timeout: 60_000, interval: 20 },
): Promise<RunRecord> {
  const look = async (): Promise<RunRecord> => {
    const run = await recordOf(http, invocation);
    if (!is(run)) throw new Error(`the run stays ${JSON.stringify(run)}`);
    return run;
  };
  return vi.waitFor(look, patience);
}

export const hasEnded = ({ endedAt }: RunRecord): boolean => endedAt !== undefined;

export function kindsOf(events: readonly LoggedEvent[]): string[] {
  return events.map(({ data }) => data.kind);
}

/** What an attempt said, by its number. What came while nobody held the run is under the number of nobody, 0. */
export function saidByAttempt(events: readonly LoggedEvent[]): Map<number, string> {
  const said = new Map<number, string>();
  let attempt = 0;
  for (const { data } of events) {
    if (data.kind === 'queued') attempt = 0;
    if (data.kind === 'started') said.set((attempt = data.attempt), '');
    if (data.kind === 'chunk') said.set(attempt, (said.get(attempt) ?? '') + data.text);
  }
  return said;
}

export function whenSaid(
  http: Http,
  invocation: string,
  is: (said: ReadonlyMap<number, string>) => boolean,
): Promise<void> {
  const look = async (): Promise<void> => {
    const said = saidByAttempt(await historyOf(http, invocation));
    if (!is(said)) throw new Error(`the run said only ${JSON.stringify([...said])}`);
  };
  return vi.waitFor(look, { timeout: 60_000, interval: 20 });
}

/** What is promised of the events of every run that ended, whatever happened to it; and of its record. */
export function faultsOf(events: readonly LoggedEvent[], record: RunRecord): string[] {
  const faults: string[] = [];
  const fault = (says: string): void => void faults.push(`${record.agent} ${record.invocation}: ${says}`);
  const kinds: string[] = kindsOf(events);
  if (events.some(({ seq }, i) => seq !== i + 1)) fault(`numbered ${events.map(({ seq }) => seq).join(' ')}`);
  if (new Set(events.map(({ epoch }) => epoch)).size > 1) fault('more than one numbering');
  if (kinds[0] !== 'queued') fault(`begins with ${kinds[0]}`);
  const ends = kinds.filter((kind) => runEnds.has(kind));
  if (ends.length !== 1 || ends[0] !== kinds.at(-1)) fault(`ends as ${kinds.slice(-5).join(', ')}`);
  if (record.state !== kinds.at(-1)) fault(`is ${record.state}, and its last event is ${kinds.at(-1)}`);
  if (record.endedAt === undefined) fault('has no time of its end');
  if (record.pending.length > 0) fault('waits for a decision');
  const attempts = events.flatMap(({ data }) => (data.kind === 'started' ? [data.attempt] : []));
  if (attempts.some((attempt, i) => attempt !== i + 1)) fault(`attempts ${attempts.join(' ')}`);
  if (record.attempt !== attempts.length) fault(`attempt ${record.attempt} of ${attempts.length}`);
  if (saidByAttempt(events).has(0)) fault('something was said while nobody held it');
  return faults;
}

/** Of a run whose every attempt says the same: none says anything else, and the one that completed all of it. */
export function faultsOfSaying(
  events: readonly LoggedEvent[],
  { invocation, agent, state }: RunRecord,
  all: string,
): string[] {
  const attempts = [...saidByAttempt(events).values()];
  const wrong = attempts.filter((said, i) => {
    const whole = state === 'completed' && i === attempts.length - 1;
    return whole ? said !== all : !all.startsWith(said);
  });
  return wrong.map((said) => `${agent} ${invocation} said: ${said}`);
}

/** Who watches tasks must have been told of the end of this run too, once and truly, however it came about. */
export async function faultsOfTask(http: Http, { invocation, state }: RunRecord): Promise<string[]> {
  const ends: string[] = [];
  for (const kind of ['completed', 'failed']) {
    const answer = await http('GET', `/v1/topics/task.${invocation}.${kind}/events`);
    ends.push(...answer.json<{ events: object[] }>().events.map(() => kind));
  }
  const truth = state === 'completed' ? 'completed' : 'failed';
  return ends.join() === truth ? [] : [`the task ${invocation} is told to be ${ends.join(' and ')}, and is ${state}`];
}
