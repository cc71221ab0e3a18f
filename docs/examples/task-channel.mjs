// Somebody works on a task, somebody else waits for it; and a run of an agent, which is a task as well.
import { AgentwireClient, TaskChannelClient, TaskError } from 'agentwire/client';

const url = process.env.AGENTWIRE_URL ?? 'ws://localhost:8080';
const client = new AgentwireClient({ url });
await client.connect();
const tasks = new TaskChannelClient(client);
// A task ends once: one that runs again is another one.
const [seventh, eighth] = [`translate-7-${Date.now()}`, `translate-8-${Date.now()}`];

tasks.on(`progress:${seventh}`, ({ progress, status }) => console.log(`${progress} % ${status}`));
await tasks.subscribeToTask(seventh);
const waiting = tasks.waitForCompletion(seventh, 30_000);

await tasks.created({ taskId: seventh, agentId: 'translator' });
await tasks.reportProgress({ taskId: seventh, progress: 50, status: 'in-progress' });
await tasks.completed({ taskId: seventh, result: { words: 212 } });
console.log('done:', (await waiting).result);

await tasks.failed({ taskId: eighth, error: { code: 'no_such_language', message: 'which language?' } });
const error = await tasks.waitForCompletion(eighth).catch((thrown) => thrown);
console.log('failed:', error instanceof TaskError, error.message);

const run = client.run('echo', 'a run is a task');
console.log('run:', (await tasks.waitForCompletion(await run.invocation, 30_000)).result);
await client.close();
