import type { Broker } from '../core/broker.ts';
import type { HttpRoute } from '../core/transport.ts';
import { answering, bodyIfAny, path, query } from './requests.ts';

/** Checkpoints over HTTP: the native requests. One is made and listed with its session, and found by its own id. */
export function checkpointRoutes(broker: Broker): HttpRoute[] {
  const list = query({ tag: 'text', limit: 'number', cursor: 'text' });
  const ofSession = '/v1/sessions/:session/checkpoints';
  const one = '/v1/checkpoints/:checkpoint';
  return [
    { method: 'POST', path: ofSession, handle: answering(broker, 'checkpoint.create', bodyIfAny, 201) },
    { method: 'GET', path: ofSession, handle: answering(broker, 'checkpoint.list', list) },
    { method: 'GET', path: one, handle: answering(broker, 'checkpoint.get', path) },
    { method: 'DELETE', path: one, handle: answering(broker, 'checkpoint.delete', path) },
    { method: 'POST', path: `${one}/restore`, handle: answering(broker, 'checkpoint.restore', bodyIfAny) },
    { method: 'GET', path: '/v1/checkpoints/:from/diff/:to', handle: answering(broker, 'checkpoint.diff', path) },
  ];
}
