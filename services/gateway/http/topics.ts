import type { HttpRoute } from '../core/transport.ts';
import type { Door } from '../core/upgrade.ts';
import { answering, body, query } from './requests.ts';
import { streamOfTopic, wantsStream } from './sse.ts';

/** Publishing and reading topics over HTTP: the native requests of the same names, with the topic in the path. */
export function topicRoutes(door: Door): HttpRoute[] {
  const { broker } = door;
  const history = answering(broker, 'history', query({ after: 'number', limit: 'number', reverse: 'flag' }));
  return [
    { method: 'POST', path: '/v1/topics/:topic/publish', handle: answering(broker, 'publish', body) },
    {
      method: 'GET',
      path: '/v1/topics/:topic/events',
      handle: (request) => (wantsStream(request) ? streamOfTopic(door, request) : history(request)),
    },
  ];
}
