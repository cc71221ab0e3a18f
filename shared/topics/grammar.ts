// Names are checked on every publish and subscribe: one pass over the characters, no split, no regular expression.

const dot = 0x2e;
const star = 0x2a;
const hash = 0x23;
const dollar = 0x24;
const hyphen = 0x2d;

const segmentLimit = 64;
const openLimits = { segments: 16, bytes: 255 };
// Wider, so that the system can wrap the name of any topic into one of its own.
const systemLimits = { segments: 20, bytes: 300 };

const allowed = new Uint8Array(128);
for (const char of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-') allowed[char.charCodeAt(0)] = 1;

/** What is wrong with the name of a topic, in words for an error message; nothing when it may be used. */
export function topicFault(topic: string): string | undefined {
  return nameFault(topic, false);
}

/** The same for a pattern. A topic is a pattern, too: one that matches itself only. */
export function patternFault(pattern: string): string | undefined {
  return nameFault(pattern, true);
}

/** The same for what is to be one segment of a topic: the id of an agent, say. */
export function segmentFault(segment: string): string | undefined {
  return /[.$]/.test(segment) ? 'it holds a dot or a $' : topicFault(segment);
}

export function isPattern(name: string): boolean {
  return name.includes('*') || name.includes('#');
}

/** Topics that a wildcard in the first segment never matches. */
export function isSystemTopic(topic: string): boolean {
  return topic.charCodeAt(0) === dollar || topic.startsWith('run.') || topic.startsWith('session.');
}

/** Topics that a client may not publish to: the system topics, those of runs as tasks, a swarm's proposals, votes and decisions. */
export function isSystemWritten(topic: string): boolean {
  if (isSystemTopic(topic)) return true;
  if (topic.startsWith('task.')) return isTaskOfRun(topic);
  if (!topic.startsWith('swarm.')) return false;
  const second = topic.indexOf('.', 6);
  if (second < 0) return false;
  const rest = topic.slice(second + 1);
  return rest === 'proposal' || rest === 'vote' || rest === 'consensus';
}

const idLength = 36;
const hyphensAt: ReadonlySet<number> = new Set([8, 13, 18, 23]);

/** By the look of its second segment: the ids of runs are UUIDs of version 8, and nobody else's library makes such. */
function isTaskOfRun(topic: string): boolean {
  const from = 'task.'.length;
  if (topic.charCodeAt(from + idLength) !== dot || topic[from + 14] !== '8') return false;
  for (let i = 0; i < idLength; i++) {
    const code = topic.charCodeAt(from + i);
    if (hyphensAt.has(i) ? code !== hyphen : !isHexDigit(code)) return false;
  }
  return true;
}

/** As ids are written: in small letters. */
function isHexDigit(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || (code >= 0x61 && code <= 0x66);
}

function nameFault(name: string, wildcards: boolean): string | undefined {
  const length = name.length;
  if (length === 0) return 'it is empty';
  const system = name.charCodeAt(0) === dollar;
  const limits = system ? systemLimits : openLimits;
  // Counted in UTF-16 units: whatever is not one byte each is refused below all the same.
  if (length > limits.bytes) return `it is longer than ${limits.bytes} bytes`;
  let segments = 1;
  let size = 0;
  for (let i = system ? 1 : 0; i < length; i++) {
    const code = name.charCodeAt(i);
    if (code === dot) {
      if (size === 0) return `segment ${segments} is empty`;
      segments++;
      size = 0;
    } else if (allowed[code] === 1) {
      if (++size > segmentLimit) return `segment ${segments} is longer than ${segmentLimit} characters`;
    } else if (code === star || code === hash) {
      if (!wildcards) return 'it holds a wildcard, and only patterns may';
      if (!standsAlone(name, i)) return `the wildcard in segment ${segments} is not the whole segment`;
      size++;
    } else {
      return `segment ${segments} holds a character other than A-Z a-z 0-9 _ -`;
    }
  }
  if (size === 0) return `segment ${segments} is empty`;
  if (segments > limits.segments) return `it has more than ${limits.segments} segments`;
  return undefined;
}

function standsAlone(name: string, at: number): boolean {
  return (at === 0 || name.charCodeAt(at - 1) === dot) && (at === name.length - 1 || name.charCodeAt(at + 1) === dot);
}
