import { HandlerList } from '../handlers.ts';
import type { Handler } from '../handlers.ts';

/** By name for all of them, by `name:<id>` for one agent, task or swarm. */
export type EventName<Events> = (keyof Events & string) | `${keyof Events & string}:${string}`;
type DataOf<Events, Name> = Name extends keyof Events
  ? Events[Name]
  : Name extends `${infer Of}:${string}`
    ? Of extends keyof Events
      ? Events[Of]
      : never
    : never;

/** The listeners of one channel. What one of them throws, or rejects with, is reported, and the others are called all the same. */
export class ChannelEvents<Events> {
  readonly #lists = new Map<string, HandlerList<never>>();
  readonly #report: (error: Error) => void;

  constructor(report: (error: Error) => void) {
    this.#report = report;
  }

  /** Until the function given back is called. */
  on<Name extends EventName<Events>>(name: Name, handler: Handler<DataOf<Events, Name>>): () => void {
    return this.#add(name, handler, handler);
  }

  /** As `on`, for one time. */
  once<Name extends EventName<Events>>(name: Name, handler: Handler<DataOf<Events, Name>>): () => void {
    const called: typeof handler = (data) => {
      off();
      return handler(data);
    };
    const off = this.#add(name, called, handler);
    return off;
  }

  /** What `on` or `once` has added. */
  off<Name extends EventName<Events>>(name: Name, handler: Handler<DataOf<Events, Name>>): void {
    const list = this.#lists.get(name);
    list?.remove(handler as Handler<never>);
    if (list) this.#tidy(name, list);
  }

  protected emit(name: string, data: unknown): void {
    this.#lists.get(name)?.call(data as never, this.#report);
  }

  #add<Data>(name: string, handler: Handler<Data>, known: Handler<Data>): () => void {
    const list: HandlerList<never> = this.#lists.get(name) ?? new HandlerList();
    this.#lists.set(name, list);
    const remove = list.add(handler as Handler<never>, known as Handler<never>);
    return () => {
      remove();
      this.#tidy(name, list);
    };
  }

  #tidy(name: string, list: HandlerList<never>): void {
    if (list.size === 0 && this.#lists.get(name) === list) this.#lists.delete(name);
  }
}
