import { topicOf } from '../../../shared/domain/runs/run.ts';
import type { Broker } from '../core/broker.ts';
import type { HttpRequest, HttpRoute, Reply } from '../core/transport.ts';
import type { Door } from '../core/upgrade.ts';
import { failed, json } from './reply.ts';
import { answering, ask, body, bodyIfAny, path, query } from './requests.ts';
import { streamOfRun } from './run-stream.ts';

/** Runs over HTTP: the native requests, with the run in the path, and its events as a stream that ends when it does. */
export function runRoutes(door: Door): HttpRoute[] {
  const { broker } = door;
  const list = query({ session: 'text', state: 'text', limit: 'number', cursor: 'text' });
  const ofRun = '/v1/runs/:invocation';
  return [
    { method: 'POST', path: '/v1/runs', handle: (request) => start(broker, request) },
    { method: 'GET', path: '/v1/runs', handle: answering(broker, 'runs', list) },
    { method: 'GET', path: ofRun, handle: answering(broker, 'status', path) },
    { method: 'GET', path: `${ofRun}/events`, handle: (request) => streamOfRun(door, request) },
    { method: 'POST', path: `${ofRun}/cancel`, handle: answering(broker, 'cancel', bodyIfAny) },
    { method: 'POST', path: `${ofRun}/pause`, handle: answering(broker, 'pause', bodyIfAny) },
    { method: 'POST', path: `${ofRun}/resume`, handle: answering(broker, 'resume', bodyIfAny) },
    { method: 'POST', path: `${ofRun}/approve`, handle: answering(broker, 'approve', body) },
  ];
}

/** 201 where there is a new run. Nothing of it is followed here: its events have a route of their own. */
async function start(broker: Broker, request: HttpRequest): Promise<Reply> {
  const started = await ask(broker, request, 'run', body);
  if (!started.ok) return failed(started);
  const { run, duplicate } = started.value;
  const result = { invocation: run.invocation, topic: topicOf(run.invocation), state: run.state };
  return duplicate ? json(200, { ...result, duplicate }) : json(201, result);
}
