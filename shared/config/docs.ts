import { fallbackText } from './help.ts';
import { optionList } from './options.ts';

const introduction = `# Configuration

Every service is set up by environment variables, and \`--help\` lists them. An empty variable counts as unset. An unknown
\`AGENTWIRE_\` name or a bad value stops the start, and all faults are reported together. All processes of a cluster can
share one environment: each of them reads what it needs and checks the rest as well.

This page is written from the table in \`shared/config/options.ts\`; after a change there, \`npx vitest run -u\` with the
path of \`test/unit/config/docs.test.ts\` writes it again.
`;

/** The page docs/configuration.md. */
export function configurationPage(): string {
  return `${introduction}\n${docsTable()}`;
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
