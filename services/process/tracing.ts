import { realClock } from '../../shared/base/clock.ts';
import type { Service } from '../../shared/base/lifecycle.ts';
import type { ServiceName } from '../../shared/config/options.ts';
import type { Log } from '../../shared/observe/log.ts';
import type { Tracing } from '../../shared/observe/tracing.ts';
import { refuse } from './process.ts';
import { askedBy, tracingFaults, value } from './tracing-settings.ts';
import { packageVersion } from './version.ts';

/** For the last spans, when the process ends: a collector that is away must not hold it up. */
const flushMs = 3000;

export interface ProcessTracing {
  readonly tracing: Tracing;
  /** Goes before all that makes spans, and ends after it. */
  service(log: Log): Service;
}

/**
 * Nothing of OpenTelemetry is loaded where nobody asks for it. Where somebody does and it cannot be had, the process
 * does not start: one that traces nothing in silence would be found out when the trace is needed.
 */
export async function tracingOf(service: ServiceName): Promise<ProcessTracing | undefined> {
  const { env } = process;
  const variable = askedBy(env);
  if (variable === undefined) return undefined;
  const faults = tracingFaults(env);
  if (faults.length > 0) refuse(service, faults);
  try {
    const { NodeSDK } = await import('@opentelemetry/sdk-node');
    const { Tracing } = await import('../../shared/observe/tracing.ts');
    const tracing = new Tracing(packageVersion());
    return { tracing, service: (log) => spans(tracing, new NodeSDK(settingsFor(service)), log) };
  } catch (error) {
    const { code, message } = error as { code?: unknown; message?: unknown };
    const reason =
      code === 'ERR_MODULE_NOT_FOUND'
        ? 'is not installed: install it, or unset the variable'
        : `does not load: ${String(message)}`;
    return refuse(service, [`${variable} asks for tracing, and @opentelemetry/sdk-node ${reason}`]);
  }
}

/** Spans only: the figures are on /metrics, and the log lines on standard output. */
function settingsFor(service: ServiceName): { serviceName?: string; logRecordProcessors: []; metricReaders: [] } {
  const { env } = process;
  const named =
    value(env, 'OTEL_SERVICE_NAME') !== '' || value(env, 'OTEL_RESOURCE_ATTRIBUTES').includes('service.name=');
  return { ...(named ? {} : { serviceName: `agentwire-${service}` }), logRecordProcessors: [], metricReaders: [] };
}

function spans(tracing: Tracing, sdk: { start(): void; shutdown(): Promise<void> }, log: Log): Service {
  return {
    name: 'tracing',
    start: () => {
      tracing.report(log, realClock);
      sdk.start();
      return Promise.resolve();
    },
    stop: () =>
      new Promise((resolve) => {
        // Afresh: what is complained of now is not to be kept back because something was a moment ago.
        tracing.report(log, realClock);
        const cancel = realClock.later(flushMs, () => {
          log.warn('the last spans were not taken in time', { flushMs });
          resolve();
        });
        void sdk
          .shutdown()
          .catch((error: unknown) => log.warn('the last spans were not taken', { error }))
          .finally(() => {
            cancel();
            resolve();
          });
      }),
  };
}
