import type { LiveBatch } from '../engine.ts';

/**
 * What travels on the channels of topics and of partitions: blocks. A block is a header line
 * `<epoch or -> <seq> <ts> <previousTs> <topic>` and one line per body. Bodies are JSON objects and so begin with `{`,
 * which no header does; nothing else tells the two apart. The append script writes it.
 */
export function parseBlocks(message: string, into: LiveBatch[]): void {
  let batch: LiveBatch | undefined;
  for (let at = 0; at < message.length;) {
    let end = message.indexOf('\n', at);
    if (end < 0) end = message.length;
    if (message.charCodeAt(at) === openBrace) {
      batch?.bodies.push(message.slice(at, end));
    } else {
      batch = parseHeader(message, at, end);
      into.push(batch);
    }
    at = end + 1;
  }
}

const openBrace = 123;

function parseHeader(message: string, start: number, end: number): LiveBatch {
  const a = message.indexOf(' ', start);
  const b = message.indexOf(' ', a + 1);
  const c = message.indexOf(' ', b + 1);
  const d = message.indexOf(' ', c + 1);
  const epoch = message.slice(start, a);
  return {
    topic: message.slice(d + 1, end),
    epoch: epoch === '-' ? '' : epoch,
    seq: Number(message.slice(a + 1, b)),
    ts: Number(message.slice(b + 1, c)),
    previousTs: Number(message.slice(c + 1, d)),
    bodies: [],
  };
}
