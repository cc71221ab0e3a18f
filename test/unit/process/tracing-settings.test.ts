import { expect, it } from 'vitest';
import { askedBy, tracingFaults } from '../../../services/process/tracing-settings.ts';

const endpoint = 'OTEL_EXPORTER_OTLP_ENDPOINT';
const ofTraces = 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT';
const exporter = 'OTEL_TRACES_EXPORTER';
const protocol = 'OTEL_EXPORTER_OTLP_PROTOCOL';

it.each([
  [{}, undefined],
  [{ [endpoint]: ' ' }, undefined],
  [{ [endpoint]: 'http://c:4318' }, endpoint],
  [{ [exporter]: 'console' }, exporter],
  [{ [endpoint]: 'http://c:4318', [exporter]: 'none' }, undefined],
  [{ [endpoint]: 'http://c:4318', OTEL_SDK_DISABLED: 'TRUE' }, undefined],
])('%j asks for tracing by %s', (env, variable) => {
  expect(askedBy(env)).toBe(variable);
});

it.each([
  { [endpoint]: 'http://collector:4318' },
  { [ofTraces]: 'https://collector/v1/traces?key=1' },
  { [exporter]: 'otlp' },
  { [exporter]: ' otlp, console ' },
  { [endpoint]: 'http://c:4318', [protocol]: 'http/json' },
  // As the SDK takes them for gRPC alone.
  { [endpoint]: 'collector:4317', [protocol]: 'grpc' },
  { [endpoint]: 'unix:///run/otel.sock', [protocol]: 'grpc' },
  // Passed over where spans go elsewhere.
  { [exporter]: 'console', [endpoint]: 'nonsense' },
  { [ofTraces]: 'http://c:4318/v1/traces', [endpoint]: 'nonsense' },
])('nothing is wrong with %j', (env) => {
  expect(tracingFaults(env)).toEqual([]);
});

it.each([
  [{ [exporter]: 'bogus' }, [exporter]],
  [{ [exporter]: 'otlp,none' }, [exporter]],
  [{ [endpoint]: 'foo bar' }, [endpoint]],
  [{ [endpoint]: 'localhost:4318' }, [endpoint]],
  [{ [endpoint]: 'ftp://collector' }, [endpoint]],
  [{ [endpoint]: 'http://c:4318', [ofTraces]: 'collector' }, [ofTraces]],
  [{ [endpoint]: 'unix:///run/otel.sock' }, [endpoint]],
  [{ [endpoint]: 'ftp://c', [protocol]: 'grpc' }, [endpoint]],
  [{ [endpoint]: 'http://c:4318', [protocol]: 'grcp' }, [protocol]],
  [{ [exporter]: 'otlp,bogus', [protocol]: 'x', [endpoint]: 'y' }, [exporter, protocol, endpoint]],
])('%j is refused by the names of %j', (env, names) => {
  expect(tracingFaults(env).map((fault) => fault.split(' ')[0])).toEqual(names);
});
