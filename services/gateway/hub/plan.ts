import { fail, ok } from '../../../shared/base/errors.ts';
import type { Result } from '../../../shared/base/errors.ts';
import type { TopicHead } from '../../../shared/engine/engine.ts';
import { isPattern } from '../../../shared/topics/grammar.ts';
import { matches } from '../../../shared/topics/match.ts';
import { PatternTrie } from '../../../shared/topics/trie.ts';
import type { Hub } from './hub.ts';
import { startOf } from './since.ts';
import type { Since, Start } from './since.ts';

export interface Ask {
  topic: string;
  since: Since;
}

const tries = 5;
/** What one request may hold up the node with. */
const maxReplayed = 100_000;

/** Where the subscriptions that were asked for begin, as the store saw it at `time`. */
export interface Plan {
  time: number;
  /** The head of the ring when the store was asked which topics there are. */
  place: number;
  heads: Map<string, TopicHead>;
  /** Topics to replay, for each ask in order. */
  starts: Map<string, Start>[];
}

export async function plan(hub: Hub, asks: readonly Ask[]): Promise<Result<Plan>> {
  for (let attempt = 0; attempt < tries; attempt += 1) {
    const place = hub.ring.head;
    const topics = await topicsOf(hub, asks);
    if (!topics.ok) return topics;
    if (!(await hub.tails.ensure([...new Set(topics.value.flat())]))) return fail('unavailable');
    await hub.outgoing.passed();
    const questions = asks.flatMap(({ since }, i) =>
      topics.value[i]!.map((topic) =>
        typeof since === 'object' && 'time' in since ? { topic, since: since.time } : { topic },
      ),
    );
    const answer = await hub.log.heads(questions);
    if (!answer.ok) return answer;
    // What matching topics had between the list of them and now is looked up in the ring: it must still reach back there.
    if (hub.ring.tail > place) continue;
    // A new numbering that the node has not followed yet: the next round does.
    if (answer.value.heads.some((head) => unfollowed(hub, head))) continue;
    const heads = new Map<string, TopicHead>();
    let next = 0;
    const starts = asks.map(({ since }, i) => {
      const own = new Map<string, Start>();
      for (const topic of topics.value[i]!) {
        const head = answer.value.heads[next++]!;
        heads.set(topic, head);
        if (since !== 'latest') own.set(topic, startOf(since, head));
      }
      return own;
    });
    return ok({ time: answer.value.time, place, heads, starts });
  }
  return fail('unavailable', 'more is being published than the replay of a pattern can be joined to; try again');
}

/** One without an event, as a failover may leave it, there is nothing to follow of: no round would ever change that. */
function unfollowed(hub: Hub, { topic, epoch, seq }: TopicHead): boolean {
  const tail = hub.tails.get(topic);
  return epoch !== '' && tail?.sentEpoch !== epoch && (seq > 0 || (tail !== undefined && tail.sentSeq > 0));
}

/** The topics that each ask is about: itself, or those with something kept that the pattern matches. */
async function topicsOf(hub: Hub, asks: readonly Ask[]): Promise<Result<string[][]>> {
  let active: string[] = [];
  const times = asks
    .filter(({ topic, since }) => isPattern(topic) && since !== 'latest')
    .map(({ since }) => timeOf(since));
  if (times.length > 0) {
    const answer = await hub.log.active(Math.min(...times));
    if (!answer.ok) return answer;
    active = answer.value;
  }
  const replayed = new PatternTrie<Set<string>>();
  const sets = new Map<string, Set<string>>();
  const found = asks.map(({ topic, since }) => {
    if (!isPattern(topic)) return new Set([topic]);
    const named = typeof since === 'object' && 'positions' in since ? Object.keys(since.positions) : [];
    // The same pattern may be asked for twice, from two places.
    const own = sets.get(topic) ?? new Set<string>();
    sets.set(topic, own);
    for (const name of named) if (matches(topic, name)) own.add(name);
    if (since !== 'latest') replayed.add(topic, own);
    return own;
  });
  // A trie over what was asked, because the patterns of one request times the topics of a cluster are many.
  let count = 0;
  for (const topic of active) {
    for (const own of replayed.match(topic)) {
      own.add(topic);
      count += 1;
    }
    if (count > maxReplayed)
      return fail('quota_exceeded', `one request may replay ${maxReplayed} topics, each pattern's counted`);
  }
  return ok(found.map((own, i) => (isPattern(asks[i]!.topic) && asks[i]!.since === 'latest' ? [] : [...own])));
}

function timeOf(since: Since): number {
  return typeof since === 'object' && 'time' in since ? since.time : 0;
}
