import type { Request } from '../core/transport.ts';
import type { NativeRequest, NativeResponse } from './adapter.ts';

/** Everything that a route may ask of a request, copied out: uWebSockets.js takes the original back when the handler returns. */
export class CopiedRequest implements Request {
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
  readonly remoteAddress: string;
  readonly #query: string;
  readonly #headers = new Map<string, string>();

  constructor(request: NativeRequest, response: NativeResponse, paramNames: readonly string[]) {
    this.path = request.getUrl();
    this.#query = request.getQuery() ?? '';
    this.params = Object.fromEntries(
      paramNames.map((name, index) => [name, decodeSegment(request.getParameter(index) ?? '')]),
    );
    this.remoteAddress = addressOf(response);
    request.forEach((name, value) => {
      const before = this.#headers.get(name);
      this.#headers.set(name, before === undefined ? value : `${before}, ${value}`);
    });
  }

  get query(): URLSearchParams {
    return new URLSearchParams(this.#query);
  }

  header(name: string): string {
    return this.#headers.get(name) ?? '';
  }
}

export function paramNamesOf(path: string): string[] {
  return path
    .split('/')
    .filter((segment) => segment.startsWith(':'))
    .map((segment) => segment.slice(1));
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/** How an IPv4 client shows on a socket that listens for both families. */
const mapped = /^(?:0{4}:){5}ffff:([\da-f]{2})([\da-f]{2}):([\da-f]{2})([\da-f]{2})$/;

function addressOf(response: NativeResponse): string {
  const text = Buffer.from(response.getRemoteAddressAsText()).toString();
  const bytes = mapped.exec(text)?.slice(1);
  return bytes ? bytes.map((byte) => Number.parseInt(byte, 16)).join('.') : text;
}
