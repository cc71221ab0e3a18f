import { runtimeFault } from '../gateway/uws/check-runtime.ts';
import { agentsOf } from '../worker/agents-of.ts';
import { Worker } from '../worker/worker.ts';
import { banner } from './banner.ts';

const fault = runtimeFault();
if (fault) {
  process.stderr.write(`${fault}\n`);
  process.exit(1);
}

// Only now: under a Node that it has no binary for, loading uWebSockets.js throws.
const { serve } = await import('../gateway/serve.ts');
await serve('standalone', {
  beside: async (shared) => new Worker({ ...shared, agents: await agentsOf('standalone', shared) }),
  onListening: (port) => {
    // The banner is for a person; where the output goes to a file or a collector, the log lines say it all.
    if (process.stdout.isTTY) process.stdout.write(banner(port));
    else process.stderr.write(banner(port));
  },
});
