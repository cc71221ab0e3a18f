import type { Log } from '../../shared/observe/log.ts';
import type { AgentLog } from './agent.ts';

/** Of one attempt. An agent that logs in a loop must not fill the disk. */
const mostLines = 1000;
const longestMessage = 2000;
const longestFields = 4096;

/** An agent's lines among ours: its fields stand under one name, so that they cannot pass for ours. */
export function agentLog(log: Log, isOpen: () => boolean): AgentLog {
  let lines = 0;
  const line = (level: 'debug' | 'info' | 'warn' | 'error') => (message: string, fields?: unknown) => {
    if (!isOpen() || lines > mostLines) return;
    lines += 1;
    if (lines > mostLines) return log.warn('the agent has logged too much; the rest is left out');
    const text = typeof message === 'string' ? message.slice(0, longestMessage) : 'a message that is no text';
    log[level](text, fields === undefined ? {} : { fields: copyOf(fields) });
  };
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
}

function copyOf(fields: unknown): unknown {
  try {
    const text = JSON.stringify(fields);
    return text.length > longestFields ? 'too large' : JSON.parse(text);
  } catch {
    return 'not plain data';
  }
}
