import { fail, ok } from '../../../shared/base/errors.ts';
import type { Result } from '../../../shared/base/errors.ts';
import { isMap } from '../../../shared/protocol/common.ts';
import { parseRequest } from '../../../shared/protocol/requests.ts';
import { decodeJson } from '../../../shared/wire/json.ts';
import type { Broker } from '../core/broker.ts';
import { perform } from '../core/operations.ts';
import type { InputOf, OperationName, OutputOf } from '../core/operations.ts';
import type { HttpRequest, HttpRoute, Reply } from '../core/transport.ts';
import { callerOf } from './caller.ts';
import { failed, json } from './reply.ts';

/** Without those that give back the way to a connection's events, which is no result. */
type Answered = Exclude<OperationName, 'run' | 'attach' | 'subscribe'>;
/** What makes the input of an operation of the fields. */
type Parse = (frame: Fields) => Result<unknown>;
type Fields = Record<string, unknown>;
/** Where a route has the fields of its request from. Those named in the path come from there, whatever this says. */
type Source = (request: HttpRequest) => Result<Fields> | Promise<Result<Fields>>;

/** A route that is a native request in other clothes, unless it is parsed as something else, and answers with its result. */
export function answering(
  broker: Broker,
  type: Answered,
  source: Source,
  status = 200,
  parse: Parse = parseRequest,
): HttpRoute['handle'] {
  return async (request): Promise<Reply> => {
    const result = await ask(broker, request, type, source, parse);
    return result.ok ? json(status, result.value) : failed(result);
  };
}

/** The caller first: who may not come in learns nothing of what else is wrong with the request. */
export async function ask<T extends OperationName>(
  broker: Broker,
  request: HttpRequest,
  type: T,
  source: Source,
  parse: Parse = parseRequest,
): Promise<Result<OutputOf<T>>> {
  const caller = await callerOf(broker, request);
  const fields = await source(request);
  if (!caller.ok) return caller;
  if (!fields.ok) return fields;
  const asked = parse({ ...fields.value, ...request.params, type, id: null });
  if (!asked.ok) return asked;
  const input = asked.value as InputOf<T>;
  // The trace stands in the header, whatever the fields of the request are.
  const traced = broker.tracing ? { ...input, traceparent: request.header('traceparent') } : input;
  return perform(broker, caller.value, type, traced);
}

/** All that is asked for stands in the path. */
export const path: Source = () => ok({});

export const body: Source = async (request) => {
  const bytes = await request.body();
  return bytes.ok ? mapOf(bytes.value) : bytes;
};

/** Where nothing but the path is needed, the body may be empty. */
export const bodyIfAny: Source = async (request) => {
  const bytes = await request.body();
  if (!bytes.ok) return bytes;
  return bytes.value.length === 0 ? ok({}) : mapOf(bytes.value);
};

function mapOf(bytes: Uint8Array): Result<Fields> {
  const value = decodeJson(bytes);
  if (!value.ok) return value;
  return isMap(value.value) ? ok(value.value) : fail('bad_request', 'the body must be a map');
}

/** What a field of the query is, written as text. Text itself is what it is. */
type Kind = 'text' | 'number' | 'flag';

export function query(kinds: Readonly<Record<string, Kind>>): Source {
  return (request) => {
    const written = request.query;
    return ok(
      Object.fromEntries(Object.entries(kinds).map(([name, kind]) => [name, valueOf(kind, written.get(name))])),
    );
  };
}

function valueOf(kind: Kind, written: string | null): unknown {
  if (kind === 'flag') return written === null ? null : written !== 'false';
  // What is no number is left as it is, for the schema to refuse by name.
  if (kind === 'text' || written === null || written.trim() === '') return written;
  const number = Number(written);
  return Number.isNaN(number) ? written : number;
}
