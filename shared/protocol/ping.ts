import * as z from 'zod';
import { count, envelope, requestId } from './common.ts';

/** For clients that cannot send a WebSocket ping, as browsers cannot. */
export const pingRequest = z.object({ type: z.literal('ping'), ...envelope });
export type PingRequest = z.output<typeof pingRequest>;

/** Its own kind of answer: it comes also without an `id`. */
export const pongFrame = z.object({ type: z.literal('pong'), id: requestId.exactOptional(), ts: count });
export type PongFrame = z.output<typeof pongFrame>;
