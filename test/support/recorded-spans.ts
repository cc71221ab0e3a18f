import { NodeSDK } from '@opentelemetry/sdk-node';
import { onTestFinished } from 'vitest';
import { Tracing } from '../../shared/observe/tracing.ts';

export interface RecordedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parent: string | undefined;
  readonly failed: boolean;
  readonly attributes: Readonly<Record<string, unknown>>;
}

type Processor = NonNullable<NonNullable<ConstructorParameters<typeof NodeSDK>[0]>['spanProcessors']>[number];

const nothing = (): Promise<void> => Promise.resolve();
let spans: RecordedSpan[] = [];
const recorder: Processor = {
  onStart: () => {},
  onEnd: (span) => {
    const { traceId, spanId } = span.spanContext();
    const { name, attributes, status } = span;
    spans.push({
      name,
      traceId,
      spanId,
      parent: span.parentSpanContext?.spanId,
      failed: status.code === 2,
      attributes,
    });
  },
  forceFlush: nothing,
  shutdown: nothing,
};
let sdk: NodeSDK | undefined;

/** Tracing inside of the test's process, as a service has it, with its spans in a list. */
export function recordedTracing(): { tracing: Tracing; spans: readonly RecordedSpan[] } {
  // The API takes one SDK for the life of a process.
  if (!sdk) {
    sdk = new NodeSDK({
      autoDetectResources: false,
      spanProcessors: [recorder],
      logRecordProcessors: [],
      metricReaders: [],
    });
    sdk.start();
  }
  const own: RecordedSpan[] = [];
  spans = own;
  onTestFinished(() => void (spans = []));
  return { tracing: new Tracing('0.0.0-test'), spans: own };
}
