import * as z from 'zod';
import { count, envelope, messageId } from './common.ts';
import { frameReader } from './frame-reader.ts';
import { agentName, cursor, invocationId, metadata, pageLimit, sessionId } from './runs.ts';

export const sessionRecord = z.object({
  session: sessionId,
  name: z.string(),
  agent: agentName.exactOptional(),
  state: z.unknown(),
  metadata,
  rev: z.int().min(1),
  createdAt: count,
  updatedAt: count,
});
export type SessionRecord = z.output<typeof sessionRecord>;

/** Several conversations may go on in one session, each a thread; the first one has this name. */
export const mainThread = 'main';
export const thread = z.string().min(1).max(128);

export const message = z.object({
  message: z.string(),
  thread,
  role: z.string(),
  content: z.unknown(),
  at: count,
  invocation: invocationId.exactOptional(),
});
export type Message = z.output<typeof message>;

const name = z.string().max(256);

export const sessionCreateRequest = z.object({
  type: z.literal('session.create'),
  ...envelope,
  name: name.exactOptional(),
  agent: agentName.exactOptional(),
  metadata: metadata.exactOptional(),
  /** An id of the client's own; made by the server where it is left out. */
  session: sessionId.exactOptional(),
});
export type SessionCreateRequest = z.output<typeof sessionCreateRequest>;

export const sessionGetRequest = z.object({ type: z.literal('session.get'), ...envelope, session: sessionId });
export type SessionGetRequest = z.output<typeof sessionGetRequest>;
export const sessionResult = z.object({ session: sessionRecord });
export type SessionResult = z.output<typeof sessionResult>;

/** Newest first. */
export const sessionListRequest = z.object({
  type: z.literal('session.list'),
  ...envelope,
  limit: pageLimit,
  cursor: cursor.exactOptional(),
});
export type SessionListRequest = z.output<typeof sessionListRequest>;
export const sessionListResult = z.object({ sessions: z.array(sessionRecord), cursor: cursor.exactOptional() });
export type SessionListResult = z.output<typeof sessionListResult>;

/** What is left out stays as it is. With `rev`, only the record that the client has seen is changed. */
export const sessionUpdateRequest = z.object({
  type: z.literal('session.update'),
  ...envelope,
  session: sessionId,
  rev: z.int().min(1).exactOptional(),
  state: z.unknown().optional(),
  metadata: metadata.exactOptional(),
  name: name.exactOptional(),
});
export type SessionUpdateRequest = z.output<typeof sessionUpdateRequest>;

export const sessionDeleteRequest = z.object({ type: z.literal('session.delete'), ...envelope, session: sessionId });
export const sessionDeleteResult = z.object({ session: sessionId });
export type SessionDeleteResult = z.output<typeof sessionDeleteResult>;

/** Oldest first. `after` is a message's id, or how many messages to pass over: of the session, or of the thread where one is named. */
export const sessionMessagesRequest = z.object({
  type: z.literal('session.messages'),
  ...envelope,
  session: sessionId,
  thread: thread.exactOptional(),
  after: z
    .union([z.string().min(1).max(256), count], { error: 'must be the id of a message, or a count' })
    .exactOptional(),
  limit: z.int().min(1).max(1000).default(100),
});
export type SessionMessagesRequest = z.output<typeof sessionMessagesRequest>;
export const sessionMessagesResult = z.object({ messages: z.array(message), more: z.boolean() });
export type SessionMessagesResult = z.output<typeof sessionMessagesResult>;

/** What an operator says, over HTTP: in one session, or to all who chat. Without a word of it there is nothing to show. */
const operatorMessage = {
  content: z.string().regex(/\S/, 'nothing is said'),
  role: z.string().min(1).max(64).default('operator'),
  messageId: messageId.exactOptional(),
};
export const operatorRequests = {
  'operator.say': z.object({ type: z.literal('operator.say'), session: sessionId, ...operatorMessage }),
  'operator.announce': z.object({ type: z.literal('operator.announce'), ...operatorMessage }),
} as const;
export const parseOperatorRequest = frameReader(operatorRequests);
