import { fail, ok } from '../../../shared/base/errors.ts';
import type { Result } from '../../../shared/base/errors.ts';
import type { HttpRequest } from '../core/transport.ts';
import type { NativeRequest, NativeResponse } from './adapter.ts';
import { CopiedRequest } from './request.ts';

/** A request with its body, and whether its response may still be used. */
export class Exchange extends CopiedRequest implements HttpRequest {
  readonly method: string;
  readonly response: NativeResponse;
  /** Answered, or left by the client: touching the response would throw. */
  gone = false;
  onGone: (() => void) | undefined = undefined;
  /** More came than was taken in. */
  bodyCut = false;
  readonly #body: Promise<Result<Uint8Array>>;

  constructor(
    request: NativeRequest,
    response: NativeResponse,
    paramNames: readonly string[],
    /** Undefined: the route takes no body. */
    maxBodyBytes: number | undefined,
  ) {
    super(request, response, paramNames);
    this.method = request.getCaseSensitiveMethod();
    this.response = response;
    const { promise, resolve } = promiseOf<Result<Uint8Array>>();
    this.#body = promise;
    response.onAborted(() => {
      this.gone = true;
      resolve(fail('bad_request', 'the client left in the middle of the body'));
      this.onGone?.();
    });
    // At once, for a handler may look at it after an await, and uWebSockets.js keeps nothing for later.
    if (maxBodyBytes === undefined) resolve(ok(new Uint8Array(0)));
    else this.#collect(maxBodyBytes, resolve);
  }

  body(): Promise<Result<Uint8Array>> {
    return this.#body;
  }

  #collect(limit: number, resolve: (body: Result<Uint8Array>) => void): void {
    let chunks: Buffer[] = [];
    let size = 0;
    this.response.onData((chunk, last) => {
      if (this.bodyCut) return;
      size += chunk.byteLength;
      if (size > limit) {
        this.bodyCut = true;
        chunks = [];
        resolve(fail('payload_too_large', `the body is over ${limit} bytes`));
        return;
      }
      // A copy: the chunk is detached when this returns.
      chunks.push(Buffer.from(new Uint8Array(chunk)));
      if (last) resolve(ok(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)));
    });
  }
}

/** `Promise.withResolvers` is not there in Node 20. */
function promiseOf<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
