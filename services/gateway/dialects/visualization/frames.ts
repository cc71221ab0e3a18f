import * as z from 'zod';
import { frameReader } from '../../../../shared/protocol/frame-reader.ts';
import { encodeJson } from '../../../../shared/wire/json.ts';
import { channels, fedChannels } from '../../core/visual-topics.ts';
import type { FedChannel } from '../../core/visual-topics.ts';

/** Null counts as absent. */
const filtered = { agent_id: z.string().nullish(), event_type: z.string().nullish(), session_id: z.string().nullish() };

const someChannels = z.array(z.enum(channels)).min(1);
const filters = z.object(filtered).default({});
const limit = z.int().min(1).max(1000).default(100);

export const frames = {
  subscribe: z.object({ type: z.literal('subscribe'), channels: someChannels, filters }),
  unsubscribe: z.object({ type: z.literal('unsubscribe'), channels: someChannels.exactOptional() }),
  ping: z.object({ type: z.literal('ping') }),
  history: z.object({ type: z.literal('history'), channel: z.enum(fedChannels), limit, filters }),
} as const;
export const readFrame = frameReader(frames);

/** What is told of an agent: any fields, and text in those that filters ask about. */
export const item = z.looseObject(filtered);
export const mostItems = 1000;
export const asked = z.object({ ...filtered, limit });

export const pongFrame = encodeJson({ type: 'pong' });
export const heartbeatFrame = encodeJson({ type: 'heartbeat' });

export function historyFrame(channel: FedChannel, data: readonly unknown[]): Uint8Array {
  return encodeJson({ type: 'history', channel, data });
}

export function errorFrame(message: string): Uint8Array {
  return encodeJson({ type: 'error', message });
}
