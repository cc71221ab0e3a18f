/**
 * Where a topic lives. Topics of one home share a partition of the store, so that one commit can change them together
 * with the record that they belong to: a run's, a session's or a swarm's topics by their first two segments, a task's
 * with the run that it may be, any other topic by itself.
 */
export function homeOf(topic: string): string {
  const first = topic.indexOf('.');
  if (first < 0 || !shared(topic, first)) return topic;
  const second = topic.indexOf('.', first + 1);
  if (second < 0) return topic;
  return first === 4 ? `run${topic.slice(first, second)}` : topic.slice(0, second);
}

function shared(topic: string, length: number): boolean {
  if (length === 3) return topic.startsWith('run');
  if (length === 4) return topic.startsWith('task');
  if (length === 5) return topic.startsWith('swarm');
  return length === 7 && topic.startsWith('session');
}
