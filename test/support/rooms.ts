import { findCycles } from './imports.ts';
import type { Source } from './imports.ts';

const ranks: Readonly<Record<string, number>> = {
  'shared/base': 0,
  'shared/protocol': 1,
  'shared/topics': 2,
  'shared/wire': 2,
  'shared/config': 2,
  'shared/observe': 2,
  'shared/engine': 3,
  'shared/domain': 4,
  'shared/client': 4,
  'services/process': 4,
  'services/gateway': 5,
  'services/worker': 5,
  'services/console': 5,
  'services/standalone': 6,
};

/** The only place that may import it, so that a replacement, or a trap, stays in one place. */
const packageHomes: Readonly<Record<string, string>> = {
  'uWebSockets.js': 'services/gateway/uws/',
  ioredis: 'shared/engine/redis/',
  bullmq: 'shared/engine/redis/',
  pino: 'shared/observe/',
  'prom-client': 'shared/observe/',
  '@opentelemetry/api': 'shared/observe/',
  '@opentelemetry/sdk-node': 'services/process/',
  '@anthropic-ai/sdk': 'services/worker/agents/claude/',
};

/** What the client library is made of. It runs in browsers, so nothing here may need Node, and the console page is its user. */
const clientParts = ['shared/base', 'shared/protocol', 'shared/topics', 'shared/wire'];

const dialects = 'services/gateway/dialects/';
/** What every dialect implements, and the list of them all: the two files of that folder that are no dialect. */
const dialectContract = `${dialects}dialect.ts`;
const dialectList = `${dialects}list.ts`;

const longest = 300;

/** All breaches of the architecture, each with the file, the import and the rule. */
export function architectureFaults(sources: readonly Source[]): string[] {
  const known = new Set(sources.map((source) => source.file));
  return [
    ...sources.flatMap((source) => [
      ...source.files.flatMap((target) => importFaults(source.file, target, known)),
      ...source.packages.flatMap((name) => packageFaults(source.file, name)),
      ...(roomOf(source.file) in ranks ? [] : [`${source.file} stands in no room`]),
      ...(source.lines > longest ? [`${source.file} has ${source.lines} lines, more than ${longest}`] : []),
    ]),
    ...findCycles(sources).map((cycle) => `import cycle: ${cycle}`),
  ];
}

function importFaults(file: string, target: string, known: ReadonlySet<string>): string[] {
  const says = `${file} imports ${target}`;
  if (!known.has(target)) return [`${says}, which is no source file of shared/ or services/`];
  const from = roomOf(file);
  const to = roomOf(target);
  const rank = ranks[from];
  const targetRank = ranks[to];
  if (rank === undefined || targetRank === undefined) return [];
  const faults: string[] = [];
  if (from !== to && targetRank >= rank) {
    faults.push(`${says}: ${from} has rank ${rank}, ${to} has rank ${targetRank}, and arrows point down only`);
  }
  const allowed = { 'shared/client': clientParts, 'services/console': [...clientParts, 'shared/client'] }[from];
  if (allowed && from !== to && !allowed.includes(to))
    faults.push(`${says}: ${from} may use ${allowed.join(', ')} only`);
  return [...faults, ...dialectFaults(file, target).map((fault) => `${says}: ${fault}`)];
}

function dialectFaults(file: string, target: string): string[] {
  const faults: string[] = [];
  const inside = file.startsWith(dialects) && file !== dialectList;
  if (file.startsWith('services/gateway/core/') && target.startsWith(dialects))
    faults.push('the core names no dialect');
  if (inside && target.startsWith('services/gateway/uws/')) faults.push('a dialect never sees the socket server');
  if (inside && roomOf(target) === 'shared/engine') faults.push('a dialect never sees the engine');
  const other = target.startsWith(dialects) && target !== dialectContract && dialectOf(file) !== dialectOf(target);
  if (inside && other) faults.push('a dialect never sees another dialect, nor the list of them');
  return faults;
}

function packageFaults(file: string, name: string): string[] {
  const home = packageHomes[name];
  if (home !== undefined && !file.startsWith(home)) return [`${file} imports ${name}: only ${home} may`];
  const portable = [...clientParts, 'shared/client', 'services/console'].includes(roomOf(file));
  return portable && name.startsWith('node:') ? [`${file} imports ${name}: ${roomOf(file)} runs in browsers, too`] : [];
}

function roomOf(file: string): string {
  return file.split('/').slice(0, 2).join('/');
}

/** A dialect is a file or a folder in services/gateway/dialects. */
function dialectOf(file: string): string {
  return (file.slice(dialects.length).split('/')[0] ?? '').replace(/\.ts$/, '');
}
