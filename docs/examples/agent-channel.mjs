// An agent that tells how it is, and somebody who watches all of them.
import { AgentChannelClient, AgentwireClient } from 'agentwire/client';

const url = process.env.AGENTWIRE_URL ?? 'ws://localhost:8080';

const watching = new AgentwireClient({ url });
await watching.connect();
const watcher = new AgentChannelClient(watching);
watcher.on('status-change', ({ agentId, status }) => console.log(`${agentId} is ${status}`));
watcher.on('health-update:writer', ({ healthy }) => console.log(`the writer is ${healthy ? 'well' : 'ill'}`));
watcher.on('log-entry', ({ agentId, level, message }) => console.log(`${agentId} ${level}: ${message}`));
// How it stood comes first: `offline`, where this program has run before.
await watcher.subscribeToAll();

/** Resolves when the writer has said so from now on. */
const hears = (wanted) =>
  new Promise((resolve) => {
    watcher.on('status-change:writer', ({ status }) => status === wanted && resolve());
  });

const own = new AgentwireClient({ url });
await own.connect();
const agent = new AgentChannelClient(own);
const busy = hears('busy');
await agent.reportStatus({ agentId: 'writer', status: 'busy', timestamp: Date.now() });
await agent.reportHealth({ agentId: 'writer', healthy: true, metrics: { cpu: 0.3 }, timestamp: Date.now() });
await agent.log({ agentId: 'writer', level: 'info', message: 'chapter one', timestamp: Date.now() });
await busy;

// Its connection ends, and the broker says for it what it cannot say any more.
const offline = hears('offline');
await own.close();
await offline;
await watching.close();
