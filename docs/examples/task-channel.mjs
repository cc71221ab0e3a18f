// Somebody works on a task, somebody else waits for it; and a run of an agent, which is a task as well.
import { AgentwireClient, TaskChannelClient, TaskError } from 'agentwire/client';

const url = process.env.AGENTWIRE_URL ?? 'ws://localhost:8080';
const client = new AgentwireClient({ url });
await client.connect();
const tasks = new TaskChannelClient(client);

tasks.on('progress:translate-7', ({ progress, status }) => console.log(`${progress} % ${status}`));
await tasks.subscribeToTask('translate-7');
const waiting = tasks.waitForCompletion('translate-7', 30_000);

await tasks.created({ taskId: 'translate-7', agentId: 'translator' });
await tasks.reportProgress({ taskId: 'translate-7', progress: 50, status: 'in-progress' });
await tasks.completed({ taskId: 'translate-7', result: { words: 212 } });
console.log('done:', (await waiting).result);

await tasks.failed({ taskId: 'translate-8', error: { code: 'no_such_language', message: 'which language?' } });
const error = await tasks.waitForCompletion('translate-8').catch((thrown) => thrown);
console.log('failed:', error instanceof TaskError, error.message);

const run = client.run('echo', 'a run is a task');
console.log('run:', (await tasks.waitForCompletion(await run.invocation, 30_000)).result);
await client.close();
