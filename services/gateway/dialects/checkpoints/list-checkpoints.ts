import { fail, ok } from '../../../../shared/base/errors.ts';
import type { Result } from '../../../../shared/base/errors.ts';
import type { Asker } from '../../core/client.ts';
import { listed } from './frames.ts';
import type { CallOf, Listed } from './frames.ts';

const pageOf = 1000;
/** In characters. There is no way to say that there is more, so a list that is longer is refused as a whole. */
const mostAnswered = 4 * 1024 * 1024;

const tooLong = fail('payload_too_large', 'the list is too long for one answer; ask for fewer by limit');

/** The newest so many, page by page: one is bounded in number and in bytes. */
export function listCheckpoints(
  asker: Asker,
  { session_id: session, limit }: CallOf<'list_checkpoints'>,
  done: (result: Result<{ checkpoints: Listed[] }>) => void,
): void {
  const checkpoints: Listed[] = [];
  let size = 0;
  const read = (from: { cursor?: string }): void => {
    const page = { session, limit: Math.min(pageOf, limit - checkpoints.length), stateless: true as const, ...from };
    asker.perform('checkpoint.list', page, (found) => {
      if (!found.ok) return done(found);
      for (const record of found.value.checkpoints) {
        const item = listed(record);
        size += JSON.stringify(item).length;
        checkpoints.push(item);
      }
      const { cursor } = found.value;
      if (size > mostAnswered) done(tooLong);
      else if (cursor === undefined || checkpoints.length >= limit) done(ok({ checkpoints }));
      else read({ cursor });
    });
  };
  read({});
}
