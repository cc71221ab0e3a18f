import { optionList } from './options.ts';
import type { Option, ServiceName } from './options.ts';

const services: Record<ServiceName, { command: string; does: string }> = {
  gateway: { command: 'npm run gateway', does: 'One gateway: WebSockets, HTTP and metrics on one port.' },
  standalone: { command: 'npm start', does: 'The whole broker in one process.' },
};

/** What `--help` prints. All options are listed whichever service is asked: one environment serves a whole cluster. */
export function helpText(service: ServiceName): string {
  const { command, does } = services[service];
  return [
    `Usage: ${command}`,
    '',
    does,
    'It is set up by environment variables. An empty one is unset; an unknown AGENTWIRE_ name stops the start.',
    '',
    ...optionList.flatMap((option) => [
      `  ${option.env} (${option.kind.says}; default: ${fallbackText(option)})`,
      `      ${option.help}`,
    ]),
    '',
  ].join('\n');
}

/** Lists are empty unless somebody fills them, so only words and numbers are ever shown. */
export function fallbackText({ fallback }: Option<unknown>): string {
  return typeof fallback === 'string' || typeof fallback === 'number' ? `${fallback}` : 'unset';
}
