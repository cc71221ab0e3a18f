import { describe, expect, it } from 'vitest';
import { resultSchemas } from '../../../shared/protocol/requests.ts';
import { proposalRecord } from '../../../shared/protocol/swarms.ts';
import type { ProposalRecord } from '../../../shared/protocol/swarms.ts';
import { swarmConsensus, swarmVote } from '../../../shared/protocol/well-known.ts';
import { join } from '../../support/client.ts';
import type { Format, TestClient } from '../../support/client.ts';
import { startGateway } from '../../support/in-process.ts';
import type { HttpAnswer } from '../../support/in-process.ts';

interface Answer {
  proposal: ProposalRecord;
}

const propose = { type: 'swarm.propose', swarm: 'ants', title: 'North?' };
const voteOn = (proposal: string, voter: string, vote = 'yes'): Record<string, unknown> => ({
  type: 'swarm.vote',
  swarm: 'ants',
  proposal,
  voter,
  vote,
});

/** What came in one of the swarm's topics. */
function told(client: TestClient, kind: 'proposal' | 'vote' | 'consensus'): unknown[] {
  return client.events.filter(({ topic }) => topic === `swarm.ants.${kind}`).map(({ data }) => data);
}

describe.each<Format>(['json', 'msgpack'])('swarms, as %s', (format) => {
  it('decide: proposed, voted on, and told of on the three topics', async () => {
    const { port } = await startGateway();
    const client = await join(port, { format });
    await client.request({ type: 'subscribe', topics: ['swarm.ants.#'] });
    const made = await client.request<Answer>({ ...propose, voters: ['a', 'b', 'größer 😀'], data: { from: [1] } });
    expect(resultSchemas['swarm.propose'].parse(made)).toStrictEqual(made);
    const { proposal } = made.proposal;
    expect(made.proposal).toEqual({
      proposal: expect.stringMatching(/^[\da-f-]{36}$/) as string,
      swarm: 'ants',
      title: 'North?',
      data: { from: [1] },
      options: ['yes', 'no', 'abstain'],
      voters: ['a', 'b', 'größer 😀'],
      threshold: 0.5,
      createdAt: expect.any(Number) as number,
      tally: { yes: 0, no: 0, abstain: 0 },
      decided: false,
    });
    await client.request(voteOn(proposal, 'a', 'no'));
    await client.request(voteOn(proposal, 'a'));
    const last = await client.request<Answer>(voteOn(proposal, 'größer 😀'));
    expect(resultSchemas['swarm.vote'].parse(last)).toStrictEqual(last);
    const tally = { yes: 2, no: 0, abstain: 0 };
    const end = { tally, decided: true, accepted: true, reason: 'threshold_reached' };
    expect(last.proposal).toEqual({ ...made.proposal, ...end });
    expect(await client.request({ type: 'swarm.proposal', swarm: 'ants', proposal })).toEqual(last);
    await client.gather(5);
    expect(told(client, 'proposal').map((data) => proposalRecord.parse(data))).toEqual([made.proposal]);
    const of = { swarmId: 'ants', proposalId: proposal };
    expect(told(client, 'vote').map((data) => swarmVote.strict().parse(data))).toEqual([
      { ...of, voter: 'a', vote: 'no' },
      { ...of, voter: 'a', vote: 'yes' },
      { ...of, voter: 'größer 😀', vote: 'yes' },
    ]);
    expect(told(client, 'consensus').map((data) => swarmConsensus.strict().parse(data))).toEqual([
      { ...of, accepted: true, tally, reason: 'threshold_reached' },
    ]);
    // The answer to the vote that decided came before what it caused.
    const decided = client.frames.findIndex((frame) => frame['topic'] === 'swarm.ants.consensus');
    expect(client.frames.findIndex(({ result }) => (result as Answer | undefined)?.proposal?.decided)).toBeLessThan(
      decided,
    );
  });

  it('are listed, the newest first, page by page', async () => {
    const { port } = await startGateway();
    const client = await join(port, { format });
    for (const proposal of ['p-1', 'p-2', 'p-3']) await client.request({ ...propose, proposal, quorum: 1 });
    const list = { type: 'swarm.proposals', swarm: 'ants' };
    const page = await client.request<{ proposals: ProposalRecord[]; cursor: string }>({ ...list, limit: 2 });
    expect(resultSchemas['swarm.proposals'].parse(page)).toStrictEqual(page);
    expect(page.proposals.map(({ proposal }) => proposal)).toEqual(['p-3', 'p-2']);
    const rest = await client.request({ ...list, cursor: page.cursor });
    expect(rest).toEqual({ proposals: [expect.objectContaining({ proposal: 'p-1' })] });
    expect(await client.request({ ...list, swarm: 'bees' })).toEqual({ proposals: [] });
    expect(await client.refusal({ ...list, cursor: 'x' })).toBe('bad_request');
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['a threshold of 2', { threshold: 2 }, 'bad_request'],
    ['a threshold of 1', { threshold: 1 }, 'bad_request'],
    ['a threshold below nothing', { threshold: -0.1 }, 'bad_request'],
    ['neither voters nor a quorum nor a deadline', { quorum: null }, 'bad_request'],
    ['no voters', { voters: [] }, 'bad_request'],
    ['a voter twice', { voters: ['a', 'a'] }, 'bad_request'],
    ['a voter without a name', { voters: [''] }, 'bad_request'],
    ['an option twice', { options: ['x', 'x'] }, 'bad_request'],
    ['one option', { options: ['x'] }, 'bad_request'],
    ['none that accepts', { options: ['abstain', 'no'] }, 'bad_request'],
    ['too many options', { options: Array.from({ length: 33 }, String) }, 'bad_request'],
    ['an option that no map can carry', { options: ['__proto__', 'no'] }, 'bad_request'],
    ['a quorum of nobody', { quorum: 0 }, 'bad_request'],
    ['a quorum of more than its voters', { quorum: 2, voters: ['a'] }, 'bad_request'],
    ['a deadline before it begins', { deadlineMs: 0 }, 'bad_request'],
    ['a deadline beyond a month', { deadlineMs: 31 * 24 * 3600 * 1000 }, 'bad_request'],
    ['no title', { title: '' }, 'bad_request'],
    ['a swarm that is no segment', { swarm: 'a.b' }, 'bad_request'],
    ['an id that is no segment', { proposal: 'a/b' }, 'bad_request'],
    ['too much', { data: 'x'.repeat(3900) }, 'payload_too_large'],
  ])('do not take a proposal with %s', async (_what, fields, code) => {
    const { port } = await startGateway({ AGENTWIRE_MAX_FRAME_BYTES: '4096' });
    const client = await join(port, { format });
    expect(await client.refusal({ ...propose, quorum: 1, ...fields })).toBe(code);
    expect(await client.request({ type: 'swarm.proposals', swarm: 'ants' })).toEqual({ proposals: [] });
  });

  it('do not take a vote that does not fit', async () => {
    const { port } = await startGateway();
    const client = await join(port, { format });
    await client.request({ ...propose, proposal: 'p', voters: ['a', 'b', 'c'] });
    expect(await client.refusal({ ...propose, proposal: 'p', quorum: 1 })).toBe('conflict');
    expect(await client.refusal(voteOn('p', 'a', 'maybe'))).toBe('bad_request');
    expect(await client.refusal(voteOn('p', 'd'))).toBe('forbidden');
    expect(await client.refusal(voteOn('q', 'a'))).toBe('not_found');
    expect(await client.refusal({ ...voteOn('p', 'a'), swarm: 'bees' })).toBe('not_found');
    expect(await client.refusal({ type: 'swarm.proposal', swarm: 'ants', proposal: 'q' })).toBe('not_found');
    expect(await client.refusal({ ...voteOn('p', 'a'), voter: null })).toBe('bad_request');
    for (const voter of ['a', 'b']) await client.request(voteOn('p', voter));
    for (const voter of ['a', 'c', 'd']) expect(await client.refusal(voteOn('p', voter, 'no'))).toBe('conflict');
    for (const kind of ['proposal', 'vote', 'consensus']) {
      expect(await client.refusal({ type: 'publish', topic: `swarm.ants.${kind}`, data: {} })).toBe('forbidden');
    }
  });

  it('decide at their deadline when somebody asks, were there no worker', async () => {
    const { port } = await startGateway();
    const client = await join(port, { format });
    await client.request({ type: 'subscribe', topics: ['swarm.ants.consensus'] });
    await client.request({ ...propose, proposal: 'p', deadlineMs: 1 });
    await expect
      .poll(() => client.request<Answer>({ type: 'swarm.proposal', swarm: 'ants', proposal: 'p' }))
      .toMatchObject({ proposal: { decided: true, accepted: false, reason: 'threshold_not_reached' } });
    expect(await client.refusal(voteOn('p', 'a'))).toBe('conflict');
    expect((await client.gather(1)).length).toBe(1);
  });
});

describe('where it is known who somebody is', () => {
  const env = { AGENTWIRE_AUTH: 'token', AGENTWIRE_TOKENS: 'ta=alice,tb=bob' };
  const as = (token: string): { headers: Record<string, string> } => ({
    headers: { authorization: `Bearer ${token}` },
  });

  it('nobody votes for another, and a vote says whose it is', async () => {
    const { port, http } = await startGateway(env);
    const [alice, bob] = [await join(port, as('ta')), await join(port, as('tb'))];
    await bob.request({ type: 'subscribe', topics: ['swarm.*.vote'] });
    await alice.request({ ...propose, proposal: 'p', voters: ['alice', 'carol', 'bob'] });
    expect(await bob.refusal(voteOn('p', 'alice'))).toBe('forbidden');
    expect(await bob.refusal(voteOn('p', 'carol'))).toBe('forbidden');
    expect(await bob.refusal(voteOn('unknown', 'alice'))).toBe('forbidden');
    await bob.request(voteOn('p', 'bob'));
    const of = { swarmId: 'ants', proposalId: 'p' };
    expect((await bob.gather(1)).map(({ data }) => data)).toEqual([
      { ...of, voter: 'bob', vote: 'yes', identity: 'bob' },
    ]);
    const path = '/v1/swarms/ants/proposals/p/votes';
    const ballot = { vote: 'no', voter: 'alice' };
    expect((await http('POST', path, ballot)).status).toBe(401);
    expect((await http('POST', path, ballot, as('tb').headers)).status).toBe(403);
    expect((await http('POST', path, ballot, as('ta').headers)).status).toBe(200);
    expect(await alice.request({ type: 'swarm.proposal', swarm: 'ants', proposal: 'p' })).toMatchObject({
      proposal: { tally: { yes: 1, no: 1, abstain: 0 } },
    });
  });

  it('an identity that is not among the voters is a stranger', async () => {
    const { port } = await startGateway(env);
    const bob = await join(port, as('tb'));
    await bob.request({ ...propose, proposal: 'p', voters: ['alice'] });
    expect(await bob.refusal(voteOn('p', 'bob'))).toBe('forbidden');
  });
});

describe('swarms over HTTP', () => {
  const all = '/v1/swarms/ants/proposals';
  const codeOf = (answer: HttpAnswer): unknown => answer.json<{ error: { code: string } }>().error.code;

  it('decide as they do over a socket', async () => {
    const { http } = await startGateway();
    const made = await http('POST', all, { title: 'North?', proposal: 'p', quorum: 2, options: ['go', 'stay'] });
    expect([made.status, made.json<Answer>().proposal.tally]).toEqual([201, { go: 0, stay: 0 }]);
    expect((await http('GET', `${all}/p`)).json()).toEqual(made.json());
    const votes = `${all}/p/votes`;
    expect((await http('POST', votes, { vote: 'go', voter: 'a' })).status).toBe(200);
    const last = await http('POST', votes, { vote: 'stay', voter: 'b' });
    const end = { tally: { go: 1, stay: 1 }, decided: true, accepted: false, reason: 'threshold_not_reached' };
    expect(last.json<Answer>().proposal).toMatchObject(end);
    const list = await http('GET', `${all}?limit=1`);
    expect([list.status, list.json()]).toEqual([200, { proposals: [last.json<Answer>().proposal] }]);
    const consensus = await http('GET', '/v1/topics/swarm.ants.consensus/events');
    expect(consensus.json<{ events: unknown[] }>().events).toHaveLength(1);
  });

  it.each<[string, string, string, unknown, number, string]>([
    ['a proposal that nobody could decide', 'POST', all, { title: 'x' }, 400, 'bad_request'],
    ['a threshold of 2', 'POST', all, { title: 'x', quorum: 1, threshold: 2 }, 400, 'bad_request'],
    ['no map', 'POST', all, [1], 400, 'bad_request'],
    ['no JSON', 'POST', all, '{', 400, 'bad_frame'],
    ['an id that is taken', 'POST', all, { title: 'x', quorum: 1, proposal: 'p' }, 409, 'conflict'],
    ['a swarm that is no segment', 'GET', '/v1/swarms/a.b/proposals', undefined, 400, 'bad_request'],
    ['a limit that is none', 'GET', `${all}?limit=many`, undefined, 400, 'bad_request'],
    ['an unknown proposal', 'GET', `${all}/q`, undefined, 404, 'not_found'],
    ['a vote on an unknown proposal', 'POST', `${all}/q/votes`, { vote: 'yes', voter: 'a' }, 404, 'not_found'],
    ['an unknown option', 'POST', `${all}/p/votes`, { vote: 'maybe', voter: 'a' }, 400, 'bad_request'],
    ['a stranger', 'POST', `${all}/p/votes`, { vote: 'yes', voter: 'b' }, 403, 'forbidden'],
    ['no voter', 'POST', `${all}/p/votes`, { vote: 'yes' }, 400, 'bad_request'],
    ['a vote too late', 'POST', `${all}/over/votes`, { vote: 'yes', voter: 'b' }, 409, 'conflict'],
  ])('refuse %s with the fitting status and code', async (_what, method, path, body, status, code) => {
    const { http } = await startGateway();
    await http('POST', all, { title: 'x', voters: ['a'], proposal: 'p' });
    await http('POST', all, { title: 'x', quorum: 1, proposal: 'over' });
    await http('POST', `${all}/over/votes`, { vote: 'yes', voter: 'a' });
    const answer = await http(method, path, body);
    expect([answer.status, codeOf(answer)]).toEqual([status, code]);
  });
});
