import { expect, it } from 'vitest';
import { dialects } from '../../../services/gateway/dialects/list.ts';
import { Event } from '../../../services/gateway/hub/entry.ts';
import { eventBody, withTraceparent } from '../../../shared/wire/event-frame.ts';

const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
const others = dialects
  .filter(({ name }) => name !== 'native')
  .flatMap(({ name, formats, streamed = [] }) =>
    [...formats, ...streamed.map(({ format }) => format)].map((format) => [name, format] as const),
  );

it.each(others)('to a client of %s an event in a trace is an event as any other', (_name, format) => {
  for (const data of [
    { kind: 'started', attempt: 1 },
    { kind: 'completed', result: 'x' },
    { kind: 'failed', error: { code: 'c', message: 'm' } },
  ]) {
    const body = eventBody(data);
    if (!body.ok) throw new Error(body.message);
    const written = [body.value, withTraceparent(body.value, traceparent)].map((text) =>
      Buffer.from(format.encode(new Event('run.1', 'e', 1, 1, text)) ?? []).toString(),
    );
    expect(written[1]).toBe(written[0]);
  }
});
