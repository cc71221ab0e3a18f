import type { Clock } from '../../../../shared/base/clock.ts';

/** The API pings while it thinks, so one that says nothing for so long will not say anything any more. */
export const longestSilenceMs = 120_000;

/** Gives up on a request when no byte of its answer comes. By the bytes, because the SDK keeps pings to itself. */
export class Silence {
  readonly #clock: Clock;
  readonly #given = new AbortController();
  #cancel: () => void = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Aborted when it has lasted too long. */
  get signal(): AbortSignal {
    return this.#given.signal;
  }

  /** For the SDK, in place of the one that it would use. */
  readonly fetch = async (...[url, init]: Parameters<typeof fetch>): Promise<Response> => {
    this.#heard();
    const response = await fetch(url, init);
    if (!response.body) return response;
    const listening = new TransformStream<Uint8Array, Uint8Array>({
      transform: (bytes, answer) => {
        this.#heard();
        answer.enqueue(bytes);
      },
      flush: () => this.end(),
    });
    return new Response(response.body.pipeThrough(listening), response);
  };

  end(): void {
    this.#cancel();
  }

  #heard(): void {
    this.#cancel();
    this.#cancel = this.#clock.later(longestSilenceMs, () => this.#given.abort());
  }
}
