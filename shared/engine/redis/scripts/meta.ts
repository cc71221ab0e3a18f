/**
 * How a topic's meta is read. It is one string of words: epoch, seq, ts, the second in which the index and the expiries
 * were last refreshed, and the lowest seq that counts as kept; and where one of them is set, three more: fence (or -),
 * z when sealed (or -), and which buckets of message ids are in use (or -). A hash of these fields cost 0.8 µs an event
 * more. Behind a line feed follows the body of the last event where it is retained: so it lives as long as the numbering,
 * when the stream has run out, and costs neither a key nor a command.
 */
export const metaPattern = `local META, RARE = '^(%S+) (%d+) (%d+) (%d+) (%d+)(.*)$', '^ (%S+) (%S+) (%S+)'`;
