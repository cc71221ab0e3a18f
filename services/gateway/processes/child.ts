import { fork } from 'node:child_process';
import type { FromChild, FromParent } from './messages.ts';

/** What the parent needs of one of its processes. */
export interface Child {
  send(message: FromParent): void;
  kill(signal: 'SIGTERM' | 'SIGKILL'): void;
}

export interface ChildEvents {
  message(message: FromChild): void;
  /** Once, and the last one. */
  exit(code: number | null, signal: string | null): void;
}

/** Tells a process that it has a parent, and which one it is. No setting: it is between the two, and no user's business. */
const mark = '--process';

/** Starts the program that is running now once more. */
export function startChild(number: number, port: number, events: ChildEvents): Child {
  const [, main = ''] = process.argv;
  const child = fork(main, [mark, String(number)], { env: { ...process.env, PORT: String(port) } });
  let told = false;
  const exit = (code: number | null, signal: string | null): void => {
    if (told) return;
    told = true;
    events.exit(code, signal);
  };
  child.on('message', (message) => events.message(message as FromChild));
  child.on('exit', exit);
  // It could not be started; or a message found it gone, and then it is about to exit, or has.
  child.on('error', () => child.pid === undefined && exit(null, null));
  return {
    send: (message) => void (child.connected && child.send(message)),
    kill: (signal) => void child.kill(signal),
  };
}

/** The number of this process among its siblings; undefined where it has no parent of our kind. */
export function ownNumber(): number | undefined {
  const at = process.argv.indexOf(mark);
  return at < 0 || !process.send ? undefined : Number(process.argv[at + 1]);
}
