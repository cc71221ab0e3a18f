import type { Broker } from '../core/broker.ts';
import type { HttpRoute } from '../core/transport.ts';
import { answering, body, path, query } from './requests.ts';

/** What swarms decide, over HTTP: the native requests, with the swarm and the proposal in the path. */
export function swarmRoutes(broker: Broker): HttpRoute[] {
  const list = query({ limit: 'number', cursor: 'text' });
  const all = '/v1/swarms/:swarm/proposals';
  const one = `${all}/:proposal`;
  return [
    { method: 'POST', path: all, handle: answering(broker, 'swarm.propose', body, 201) },
    { method: 'GET', path: all, handle: answering(broker, 'swarm.proposals', list) },
    { method: 'GET', path: one, handle: answering(broker, 'swarm.proposal', path) },
    { method: 'POST', path: `${one}/votes`, handle: answering(broker, 'swarm.vote', body) },
  ];
}
