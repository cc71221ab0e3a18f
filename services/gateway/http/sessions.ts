import type { Broker } from '../core/broker.ts';
import type { HttpRoute } from '../core/transport.ts';
import { answering, body, bodyIfAny, path, query } from './requests.ts';

/** Sessions over HTTP: the native requests, with the session in the path. */
export function sessionRoutes(broker: Broker): HttpRoute[] {
  const list = query({ limit: 'number', cursor: 'text' });
  // `after` is the id of a message or a count; no id is written as a number is.
  const messages = query({ thread: 'text', after: 'number', limit: 'number' });
  const ofSession = '/v1/sessions/:session';
  return [
    { method: 'POST', path: '/v1/sessions', handle: answering(broker, 'session.create', bodyIfAny, 201) },
    { method: 'GET', path: '/v1/sessions', handle: answering(broker, 'session.list', list) },
    { method: 'GET', path: ofSession, handle: answering(broker, 'session.get', path) },
    { method: 'PATCH', path: ofSession, handle: answering(broker, 'session.update', body) },
    { method: 'DELETE', path: ofSession, handle: answering(broker, 'session.delete', path) },
    { method: 'GET', path: `${ofSession}/messages`, handle: answering(broker, 'session.messages', messages) },
  ];
}
