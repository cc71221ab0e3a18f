import type { Request } from './transport.ts';

/** The token of a request: from the header, or from the query for those that cannot set headers, as browsers' sockets and SSE. */
export function bearerOf(request: Request): string | undefined {
  const [scheme, token] = request.header('authorization').split(' ', 2);
  if (scheme?.toLowerCase() === 'bearer' && token) return token;
  return request.query.get('token') ?? undefined;
}
