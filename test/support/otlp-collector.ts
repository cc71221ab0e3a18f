import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  /** '' for the first of a trace. */
  readonly parent: string;
  readonly name: string;
  readonly kind: 'internal' | 'server' | 'client' | 'producer' | 'consumer';
  readonly failed: boolean;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** The `service.name` of the process, and its pid. */
  readonly service: string;
  readonly pid: number;
}

/** As OTLP writes it in JSON: numbers that may be large are text. */
type Value = { stringValue?: string; intValue?: string | number; boolValue?: boolean; doubleValue?: number };
type Attributes = { key: string; value: Value }[];
interface Request {
  resourceSpans: {
    resource: { attributes: Attributes };
    scopeSpans: { spans: Record<'traceId' | 'spanId' | 'name', string>[] }[];
  }[];
}
interface Written {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  kind: number;
  attributes: Attributes;
  status: { code: number };
}

const kinds = ['internal', 'internal', 'server', 'client', 'producer', 'consumer'] as const;

/** A collector of traces on a free port: what the processes of a test send it. Gone at the end of the test. */
export class OtlpCollector {
  readonly spans: Span[] = [];
  requests = 0;
  readonly #server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      this.requests += 1;
      if (request.url === '/v1/traces') this.#take(JSON.parse(Buffer.concat(pieces).toString()) as Request);
      response.setHeader('content-type', 'application/json').end('{}');
    });
  });
  #watchers = new Set<() => void>();

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    onTestFinished(() => {
      this.#server.closeAllConnections();
      this.#server.close();
    });
    return this;
  }

  /** For a process that is to send its spans here, soon. */
  get env(): Record<string, string> {
    const { port } = this.#server.address() as AddressInfo;
    return {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_BSP_SCHEDULE_DELAY: '20',
      OTEL_NODE_RESOURCE_DETECTORS: 'process',
    };
  }

  /** Resolves with the spans of the trace, once there is this one among them. */
  async trace(traceId: string, until: (spans: readonly Span[]) => boolean): Promise<Span[]> {
    for (;;) {
      const spans = this.spans.filter((span) => span.traceId === traceId);
      if (until(spans)) return spans;
      await new Promise<void>((resolve) => this.#watchers.add(resolve));
    }
  }

  #take({ resourceSpans }: Request): void {
    for (const { resource, scopeSpans } of resourceSpans) {
      const process = valuesOf(resource.attributes);
      for (const span of scopeSpans.flatMap(({ spans }) => spans as unknown as Written[])) {
        const { traceId, spanId, parentSpanId = '', name, kind, attributes, status } = span;
        this.spans.push({
          traceId,
          spanId,
          parent: parentSpanId,
          name,
          kind: kinds[kind] ?? 'internal',
          failed: status.code === 2,
          attributes: valuesOf(attributes),
          service: String(process['service.name']),
          pid: Number(process['process.pid']),
        });
      }
    }
    for (const watcher of this.#watchers) watcher();
    this.#watchers.clear();
  }
}

function valuesOf(attributes: Attributes): Record<string, unknown> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [
      key,
      value.stringValue ?? value.boolValue ?? value.doubleValue ?? Number(value.intValue),
    ]),
  );
}
