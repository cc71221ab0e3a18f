export type Environment = Readonly<Record<string, string | undefined>>;

/** Each of them says where spans are to go. What else OpenTelemetry has in variables, the SDK reads itself. */
const asking = ['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_TRACES_EXPORTER'];
const exporters = ['otlp', 'console', 'zipkin'];
const protocols = ['http/protobuf', 'http/json', 'grpc'];

/** The variable that asks for tracing, where one does and none switches it off. */
export function askedBy(env: Environment): string | undefined {
  const off = value(env, 'OTEL_SDK_DISABLED').toLowerCase() === 'true' || value(env, 'OTEL_TRACES_EXPORTER') === 'none';
  return off ? undefined : asking.find((name) => value(env, name) !== '');
}

/** With these the SDK would start, say so once, and send nothing, or not there. */
export function tracingFaults(env: Environment): string[] {
  const named = listed(env, 'OTEL_TRACES_EXPORTER');
  const faults = named.every((name) => exporters.includes(name))
    ? []
    : [`OTEL_TRACES_EXPORTER must be ${exporters.join(', ')}, several of them with commas between, or none`];
  if (named.length > 0 && !named.includes('otlp')) return faults;
  const [protocolName = '', protocol = 'http/protobuf'] = firstOf(env, 'PROTOCOL') ?? [];
  if (!protocols.includes(protocol)) faults.push(`${protocolName} must be ${protocols.join(', ')}`);
  const [endpointName = '', endpoint = 'http://localhost'] = firstOf(env, 'ENDPOINT') ?? [];
  if (!isEndpoint(endpoint, protocol)) faults.push(`${endpointName} must be an address such as http://collector:4318`);
  return faults;
}

export function value(env: Environment, name: string): string {
  return env[name]?.trim() ?? '';
}

/** What is said of traces goes before what is said of all signals. */
function firstOf(env: Environment, end: string): [name: string, value: string] | undefined {
  const names = [`OTEL_EXPORTER_OTLP_TRACES_${end}`, `OTEL_EXPORTER_OTLP_${end}`];
  const name = names.find((each) => value(env, each) !== '');
  return name === undefined ? undefined : [name, value(env, name)];
}

/** Without its scheme, `localhost:4318` is an address of the scheme `localhost`. For gRPC the SDK puts one in front. */
function isEndpoint(text: string, protocol: string): boolean {
  const grpc = protocol === 'grpc';
  const address = grpc && !text.includes('://') ? `https://${text}` : text;
  if (!URL.canParse(address)) return false;
  const scheme = new URL(address).protocol;
  return scheme === 'http:' || scheme === 'https:' || (grpc && scheme === 'unix:');
}

function listed(env: Environment, name: string): string[] {
  return value(env, name)
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');
}
