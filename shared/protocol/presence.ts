import * as z from 'zod';
import { count, envelope, topicName } from './common.ts';

/** Of one topic: a pattern has no members of its own. */
export const presenceRequest = z.object({ type: z.literal('presence'), ...envelope, topic: topicName });
export type PresenceRequest = z.output<typeof presenceRequest>;

/** A connection that subscribed to the topic with `presence: true`. `since`: when it did, by the cluster's clock. */
export const presenceMember = z.object({ connection: z.string(), identity: z.string(), since: count });
export type PresenceMember = z.output<typeof presenceMember>;

/** Those who were there first come first. `count` is how many there are: of very many only the first are named. */
export const presenceResult = z.object({ members: z.array(presenceMember), count });
export type PresenceResult = z.output<typeof presenceResult>;

/** What is told on `$presence.<topic>`. Whoever was killed leaves when their lease runs out. */
export const presenceEvent = z.object({ change: z.enum(['joined', 'left']), ...presenceMember.shape });
export type PresenceEvent = z.output<typeof presenceEvent>;
