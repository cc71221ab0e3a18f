import { runtimeFault } from './uws/check-runtime.ts';

const fault = runtimeFault();
if (fault) {
  process.stderr.write(`${fault}\n`);
  process.exit(1);
}

// Only now: under a Node that it has no binary for, loading uWebSockets.js throws.
const { serve } = await import('./serve.ts');
await serve('gateway');
