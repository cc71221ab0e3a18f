import { fallbackText } from './help.ts';
import { optionList } from './options.ts';

const introduction = `# Configuration

Every service is set up by environment variables, and \`--help\` lists them. An empty variable counts as unset. An unknown
\`AGENTWIRE_\` name or a bad value stops the start, and all faults are reported together. All processes of a cluster can
share one environment: each of them reads what it needs and checks the rest as well.

This page is written from the table in \`shared/config/options.ts\`; after a change there, \`npx vitest run -u\` with the
path of \`test/unit/config/docs.test.ts\` writes it again.
`;

const redis = `## Which Redis

\`REDIS_URL\` alone decides; nothing else changes.

| Address | Meaning |
| --- | --- |
| \`redis://host:6379/0\` | one server, and which of its databases |
| \`redis-cluster://host1:6379,host2:6379\` | a Redis Cluster of version 7.0 or newer, and some of its nodes to begin with |
| \`redis-sentinel://host1:26379,host2:26379/mymaster/0\` | the master that these Sentinels call \`mymaster\`, and which of its databases |

With \`rediss\` instead of \`redis\` every connection uses TLS. Credentials come before the \`@\`, percent-encoded where they
hold a character that means something in an address: \`redis-cluster://user:secret@host1,host2\`. They are those of the
servers; Sentinels are asked without any. The port may be left out.

A failover takes what the new master had not got yet. The topics that it concerns go on with a new epoch; with
\`AGENTWIRE_MIN_REPLICAS=1\` nothing that was acknowledged is among it. While slots of a cluster move, publishes to the
topics in them wait for a second and are \`unavailable\` after that. The clocks of all servers should agree.
`;

const tracing = `## Tracing

The variables of OpenTelemetry begin with \`OTEL_\` and are read by its SDK; an unknown one stops nothing. Which of them turn
tracing on, and which matter here, is on [a page of its own](tracing.md).
`;

/** The page docs/configuration.md. */
export function configurationPage(): string {
  return `${introduction}\n${docsTable()}\n${redis}\n${tracing}`;
}

export function docsTable(): string {
  const rows = optionList.map((option) => [
    `\`${option.env}\``,
    option.kind.says.replaceAll('|', '\\|'),
    `\`${fallbackText(option)}\``,
    option.readBy.join(', '),
    option.help,
  ]);
  const head = ['Variable', 'Values', 'Default', 'Read by', 'What it does'];
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}
