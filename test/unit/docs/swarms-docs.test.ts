import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { verdictAtLast, verdictSoFar } from '../../../shared/domain/swarms/rules.ts';
import type { Verdict } from '../../../shared/domain/swarms/rules.ts';
import { startGateway } from '../../support/in-process.ts';

const page = readFileSync(new URL('../../../docs/swarms.md', import.meta.url), 'utf8');

/** As on the page: the time at which something was proposed is the one thing that differs. */
const timeless = (text: string): string => text.replace(/"createdAt":\d+/, '"createdAt":0');

it('what the page shows is what happens', async () => {
  const { url, http } = await startGateway();
  const lines = page.split('\n```\n')[1]!.split('\n');
  expect(lines.length).toBeGreaterThan(5);
  let answer = '';
  for (const line of lines) {
    if (line.startsWith('$ ')) {
      const [, body = '', path = ''] = /^\$ curl -d '(.*)' http:\/\/localhost:8080(\S*)$/.exec(line) ?? [];
      answer = await (await fetch(url + path, { method: 'POST', body })).text();
    } else {
      expect(timeless(answer)).toBe(timeless(line));
    }
  }
  const { events } = (await http('GET', '/v1/topics/swarm.ants.consensus/events')).json<{
    events: { data: unknown }[];
  }>();
  expect(events.map(({ data }) => data)).toHaveLength(1);
  expect(page).toContain(`\`${JSON.stringify(events[0]!.data)}\``);
});

const examples = [...page.matchAll(/^\| (\d+|any) \|.*$/gm)].map(([row]) => row.split('|').map((cell) => cell.trim()));

function inWords(verdict: Verdict | undefined): string {
  return verdict ? `${verdict.accepted ? 'accepted' : 'not accepted'}, \`${verdict.reason}\`` : 'no';
}

it.each(examples)(
  'an example of the page: %s%s voters, a quorum of %s',
  (_start, voters, quorum, threshold, ...rest) => {
    const [yes, no, abstain] = rest.map(Number) as [number, number, number];
    const terms = {
      options: ['yes', 'no', 'abstain'],
      threshold: Number(threshold),
      ...(voters === 'any' ? {} : { voters: Array.from({ length: Number(voters) }, String) }),
      ...(quorum === '' ? {} : { quorum: Number(quorum) }),
    };
    const tally = { yes, no, abstain };
    const soFar = verdictSoFar(terms, tally);
    expect(rest[3]).toBe(inWords(soFar));
    expect(rest[4]).toBe(soFar ? '' : inWords(verdictAtLast(terms, tally)));
  },
);
