import { isMap } from '../../../shared/protocol/common.ts';
import { decodeJson } from '../../../shared/wire/json.ts';

export interface TextInput {
  readonly input: unknown;
  /** How it stands among the session's messages, where that is not the input itself. */
  readonly said?: string;
}

/** What an agent gets of a client that can only say text: the text, or the object that it is the JSON of. */
export function inputOf(text: string): TextInput {
  if (!text.trimStart().startsWith('{')) return { input: text };
  const read = decodeJson(text);
  return read.ok && isMap(read.value) ? { input: read.value, said: text } : { input: text };
}
