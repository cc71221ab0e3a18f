import type { Broker } from '../core/broker.ts';
import type { HttpRoute } from '../core/transport.ts';
import { answering, bodyIfAny, path, query } from './requests.ts';

export function sessionRoutes(broker: Broker): HttpRoute[] {
  // `after` is the id of a message or a count; no id is written as a number is.
  const messages = query({ thread: 'text', after: 'number', limit: 'number' });
  return [
    { method: 'POST', path: '/v1/sessions', handle: answering(broker, 'session.create', bodyIfAny, 201) },
    { method: 'GET', path: '/v1/sessions/:session', handle: answering(broker, 'session.get', path) },
    {
      method: 'GET',
      path: '/v1/sessions/:session/messages',
      handle: answering(broker, 'session.messages', messages),
    },
  ];
}
