import { optionList } from './options.ts';
import type { Option, ServiceName } from './options.ts';

const services: Record<ServiceName, { command: string; does: string }> = {
  gateway: { command: 'npm run gateway', does: 'One gateway: WebSockets, HTTP and metrics on one port.' },
  worker: {
    command: 'npm run worker',
    does: 'One worker: runs agents for the gateways of its REDIS_URL, and serves health and metrics.',
  },
  standalone: { command: 'npm start', does: 'The whole broker in one process.' },
};

/**
 * What `--help` prints. All options are listed whichever service is asked, because one environment serves a whole
 * cluster; those that it does not read itself come last.
 */
export function helpText(service: ServiceName): string {
  const { command, does } = services[service];
  const own = optionList.filter(({ readBy }) => readBy.includes(service));
  const others = optionList.filter(({ readBy }) => !readBy.includes(service));
  return [
    `Usage: ${command}`,
    '',
    does,
    'It is set up by environment variables. An empty one is unset; an unknown AGENTWIRE_ name stops the start.',
    '',
    ...own.flatMap(lines),
    '  OTEL_* (the variables of OpenTelemetry; default: unset)',
    '      Where spans go, and how many: see docs/tracing.md.',
    ...(others.length > 0 ? ['', 'Checked here, and read by other services:', '', ...others.flatMap(lines)] : []),
    '',
  ].join('\n');
}

function lines(option: Option<unknown>): string[] {
  return [`  ${option.env} (${option.kind.says}; default: ${fallbackText(option)})`, `      ${option.help}`];
}

/** Lists are empty unless somebody fills them, so only words and numbers are ever shown. */
export function fallbackText({ fallback, derived }: Option<unknown>): string {
  if (derived) return derived.says;
  return typeof fallback === 'string' || typeof fallback === 'number' ? `${fallback}` : 'unset';
}
