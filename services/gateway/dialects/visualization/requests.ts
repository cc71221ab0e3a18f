import { fail, ok } from '../../../../shared/base/errors.ts';
import type { Result } from '../../../../shared/base/errors.ts';
import { explain } from '../../../../shared/protocol/explain.ts';
import { fedChannels } from '../../core/visual-topics.ts';
import type { FedChannel, Filters } from '../../core/visual-topics.ts';
import type { Answered } from '../dialect.ts';
import { asked, item, mostItems } from './frames.ts';

/** Feeding a channel and asking what it has, over HTTP. */
export const requests: readonly Answered[] = fedChannels.flatMap((channel) => [feeding(channel), asking(channel)]);

/** One or an array of them: all are taken, or none. */
function feeding(channel: FedChannel): Answered {
  return {
    method: 'POST',
    path: `/visualization/${channel}`,
    answer(asker, _entrance, body, done) {
      const items = itemsOf(body);
      if (items.ok) asker.perform('visualize', { channel, items: items.value }, done);
      else done(items);
    },
  };
}

function asking(channel: FedChannel): Answered {
  return {
    method: 'GET',
    path: `/visualization/${channel}`,
    answer(asker, { query }, _body, done) {
      const written = Object.fromEntries(query);
      const limit = query.has('limit') ? { limit: Number(query.get('limit')) } : {};
      const parsed = asked.safeParse({ ...written, ...limit });
      if (!parsed.success) return done(fail('bad_request', explain(parsed.error, written)));
      const { limit: most, ...filters } = parsed.data;
      asker.perform('visual.history', { channel, filters, limit: most }, (found) =>
        done(found.ok ? ok({ channel, data: found.value.messages }) : found),
      );
    },
  };
}

function itemsOf(body: unknown): Result<Filters[]> {
  const items: unknown[] = Array.isArray(body) ? body : [body];
  if (items.length > mostItems) return fail('bad_request', `one request may hold ${mostItems}`);
  for (const [i, one] of items.entries()) {
    const parsed = item.safeParse(one);
    if (!parsed.success) return fail('bad_request', explain(parsed.error, one, nameOf(body, i)));
  }
  // As it came: a schema would put the fields that it knows before the others.
  return ok(items as Filters[]);
}

function nameOf(body: unknown, index: number): string {
  return Array.isArray(body) ? `the body at ${index}` : 'the body';
}
