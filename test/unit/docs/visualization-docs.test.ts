import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { join } from '../../support/client.ts';
import { startGateway } from '../../support/in-process.ts';

const page = readFileSync(new URL('../../../docs/dialects.md', import.meta.url), 'utf8');
const someTime = '2025-11-21T04:26:40.000Z';

/** As on the page: the time that something came in is the one thing that differs. */
function timeless(text: string): unknown {
  return JSON.parse(text.replace(/"timestamp":"[^"]*"/g, `"timestamp":"${someTime}"`));
}

it('what the page shows of the visualization feed is what happens', async () => {
  const { port, url } = await startGateway();
  const client = await join(port, { path: '/visualization/ws', bare: true });
  const [, example = ''] = page.split('## Visualization (001)')[1]!.split('```');
  let seen = 0;
  let answer = '';
  for (const line of example.trim().split('\n')) {
    if (line.startsWith('> ')) {
      client.sendAsIs(JSON.parse(line.slice(2)));
    } else if (line.startsWith('< ')) {
      await client.until(() => client.frames.length > seen, line);
      expect(timeless(JSON.stringify(client.frames[seen]))).toEqual(JSON.parse(line.slice(2)));
      seen += 1;
    } else if (line.startsWith('$ ')) {
      const [, body, address = ''] = /^\$ curl (?:-d '(.*)' )?'?http:\/\/localhost:8080([^']*)'?$/.exec(line) ?? [];
      const response = await fetch(url + address, body === undefined ? {} : { method: 'POST', body });
      answer = await response.text();
    } else {
      expect(timeless(answer)).toEqual(JSON.parse(line));
    }
  }
  expect(client.frames).toHaveLength(seen);
  expect(seen).toBeGreaterThan(2);
});
