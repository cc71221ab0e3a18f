// An agent that tells how it is, and somebody who watches all of them.
import { AgentChannelClient, AgentwireClient } from 'agentwire/client';

const url = process.env.AGENTWIRE_URL ?? 'ws://localhost:8080';

const watching = new AgentwireClient({ url });
await watching.connect();
const watcher = new AgentChannelClient(watching);
watcher.on('status-change', ({ agentId, status }) => console.log(`${agentId} is ${status}`));
watcher.on('health-update:writer', ({ healthy }) => console.log(`the writer is ${healthy ? 'well' : 'ill'}`));
watcher.on('log-entry', ({ agentId, level, message }) => console.log(`${agentId} ${level}: ${message}`));
await watcher.subscribeToAll();
const offline = new Promise((resolve) => {
  watcher.on('status-change:writer', ({ status }) => status === 'offline' && resolve());
});

const own = new AgentwireClient({ url });
await own.connect();
const agent = new AgentChannelClient(own);
await agent.reportStatus({ agentId: 'writer', status: 'busy', timestamp: Date.now() });
await agent.reportHealth({ agentId: 'writer', healthy: true, metrics: { cpu: 0.3 }, timestamp: Date.now() });
await agent.log({ agentId: 'writer', level: 'info', message: 'chapter one', timestamp: Date.now() });

// Its connection ends, and the broker says for it what it cannot say any more.
await own.close();
await offline;
await watching.close();
