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

/** The listeners of one channel. What one of them throws is reported as the client's, and the others are called all the same. */
export class ChannelEvents<Events> {
  readonly #lists = new Map<string, HandlerList<never>>();

  /** Until the function given back is called. */
  on<Name extends EventName<Events>>(name: Name, handler: Handler<DataOf<Events, Name>>): () => void {
    const list: HandlerList<never> = this.#lists.get(name) ?? new HandlerList();
    this.#lists.set(name, list);
    const remove = list.add(handler as Handler<never>);
    return () => {
      remove();
      this.#tidy(name, list);
    };
  }

  /** As `on`, for one time. */
  once<Name extends EventName<Events>>(name: Name, handler: Handler<DataOf<Events, Name>>): () => void {
    const off = this.on<Name>(name, (data) => {
      off();
      return handler(data);
    });
    return off;
  }

  off<Name extends EventName<Events>>(name: Name, handler: Handler<DataOf<Events, Name>>): void {
    const list = this.#lists.get(name);
    list?.remove(handler as Handler<never>);
    if (list) this.#tidy(name, list);
  }

  protected emit(name: string, data: unknown): void {
    let fault: Error | undefined;
    this.#lists.get(name)?.call(data as never, (error) => (fault ??= error));
    // Into the hands of the client, whose handler this runs in.
    if (fault) throw fault;
  }

  #tidy(name: string, list: HandlerList<never>): void {
    if (list.size === 0 && this.#lists.get(name) === list) this.#lists.delete(name);
  }
}
