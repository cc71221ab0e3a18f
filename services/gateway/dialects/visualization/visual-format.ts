import { withoutTraceparent } from '../../../../shared/wire/event-frame.ts';
import { encodeUtf8 } from '../../../../shared/wire/utf8.ts';
import type { Entry } from '../../hub/entry.ts';
import { nextFormatIndex } from '../../hub/format.ts';
import type { Format } from '../../hub/format.ts';

const before = '{"data":'.length;

/** What the feed announces is the frame already, as the data of an event. Nothing of it is numbered, so nothing is missed that could be told. */
export const visualFormat: Format = {
  index: nextFormatIndex(),
  name: 'visualization',
  binary: false,
  encode: (entry: Entry) =>
    entry.kind === 'event' ? encodeUtf8(withoutTraceparent(entry.body).slice(before, -1)) : null,
};
