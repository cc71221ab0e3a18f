import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { join } from '../../support/client.ts';
import { startGateway } from '../../support/in-process.ts';

const page = readFileSync(new URL('../../../docs/dialects.md', import.meta.url), 'utf8');

it('checkpoint commands (000): the example goes as it is written', async () => {
  const [, section = ''] = page.split('\n## Checkpoint commands (000)\n');
  const [, example = ''] = section.split('\n```\n');
  const lines = example.split('\n');
  expect(lines.length).toBeGreaterThan(10);
  const { port } = await startGateway();
  const client = await join(port, { path: '/', bare: true });
  /** What the example calls s-1 and c-1, as it is called here. */
  const names = new Map<string, string>();
  let seen = 0;
  for (const line of lines) {
    let text = line.slice(2);
    if (line.startsWith('>')) {
      for (const [said, real] of names) text = text.replaceAll(`"${said}"`, `"${real}"`);
      client.socket.send(text);
      continue;
    }
    await client.until(() => client.frames.length > seen, line);
    let came = JSON.stringify(client.frames[seen++]);
    for (const field of ['session_id', 'checkpoint_id']) {
      const value = new RegExp(`"${field}":"([^"]*)"`);
      const [said, real] = [value.exec(text)?.[1], value.exec(came)?.[1]];
      if (said !== undefined && real !== undefined && !names.has(said)) names.set(said, real);
    }
    for (const [said, real] of names) came = came.replaceAll(`"${real}"`, `"${said}"`);
    const times = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g;
    expect(came.replace(times, 'now')).toBe(text.replace(times, 'now'));
  }
  expect(client.frames).toHaveLength(seen);
});
