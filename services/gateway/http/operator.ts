import { parseOperatorRequest } from '../../../shared/protocol/sessions.ts';
import type { Broker } from '../core/broker.ts';
import type { HttpRoute } from '../core/transport.ts';
import { answering, body } from './requests.ts';

/** What an operator says to those who chat. 202 where it is to all: who of them keeps it is not waited for. */
export function operatorRoutes(broker: Broker): HttpRoute[] {
  const say = answering(broker, 'operator.say', body, 201, parseOperatorRequest);
  const announce = answering(broker, 'operator.announce', body, 202, parseOperatorRequest);
  return [
    { method: 'POST', path: '/v1/sessions/:session/messages', handle: say },
    { method: 'POST', path: '/v1/messages', handle: announce },
  ];
}
