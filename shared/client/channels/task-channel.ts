import type { PublishResult } from '../../protocol/publish.ts';
import type { TaskAssigned, TaskCompleted, TaskCreated, TaskFailed, TaskProgress } from '../../protocol/well-known.ts';
import type { AgentwireClient } from '../client.ts';
import type { AgentwireEvent } from '../events.ts';
import { ChannelClient, ChannelServer, hasField, idFault, present } from './channel.ts';
import type { ChannelOptions, Followed } from './channel.ts';
import type { Heard } from './held-back.ts';
import { waitFor } from './waiting.ts';

export interface TaskEvents {
  created: TaskCreated;
  assigned: TaskAssigned;
  progress: TaskProgress;
  completed: TaskCompleted;
  failed: TaskFailed;
  /** What is no end of the task: told by `reportError` with `recoverable`. */
  error: TaskFailed;
}

const family = 'task';
const kinds: ReadonlySet<string> = new Set<keyof TaskEvents>([
  'created',
  'assigned',
  'progress',
  'completed',
  'failed',
  'error',
]);

/** The end of a task that failed, as `waitForCompletion` throws it. */
export class TaskError extends Error {
  override readonly name = 'TaskError';
  readonly taskId: string;
  /** As it was published. */
  readonly error: unknown;

  constructor({ taskId, error }: TaskFailed) {
    super(messageOf(error));
    this.taskId = taskId;
    this.error = error;
  }
}

/** What becomes of tasks; the runs of agents are among them, by their invocation. docs/channels.md says what each call promises. */
export class TaskChannelClient extends ChannelClient<TaskEvents> {
  constructor(client: AgentwireClient, options: ChannelOptions = {}) {
    super(client, family, options);
  }

  /** How far it is comes first, if that was ever told. */
  subscribeToTask(taskId: string): Promise<void> {
    return this.followOne(taskId);
  }

  unsubscribeFromTask(taskId: string): Promise<void> {
    this.unfollow(taskId);
    return Promise.resolve();
  }

  getSubscribedTasks(): string[] {
    return this.followedIds();
  }

  created(event: TaskCreated): Promise<PublishResult> {
    return this.publish(event.taskId, 'created', event);
  }

  assigned(event: TaskAssigned): Promise<PublishResult> {
    return this.publish(event.taskId, 'assigned', event);
  }

  reportProgress(event: TaskProgress): Promise<PublishResult> {
    return this.publish(event.taskId, 'progress', event);
  }

  completed(event: TaskCompleted): Promise<PublishResult> {
    return this.publish(event.taskId, 'completed', event);
  }

  failed(event: TaskFailed): Promise<PublishResult> {
    return this.publish(event.taskId, 'failed', event);
  }

  /** The ancestor's name for `completed`; its `status` may say that the task failed. */
  reportCompleted(event: TaskCompleted): Promise<PublishResult> {
    const end = endOf(event);
    return this.publish(event.taskId, end.kind, end.data);
  }

  /** The ancestor's name for `failed`, unless the error is `recoverable`. */
  reportError(event: TaskFailed): Promise<PublishResult> {
    return this.publish(event.taskId, errorKind(event), event);
  }

  /**
   * The end of a task that ends or has ended, as long as it is kept. Rejects with a `TaskError` where it failed, and with
   * `timeout` when it takes longer; without a time, it waits for as long as the client is open.
   */
  async waitForCompletion<Result = unknown>(
    taskId: string,
    timeoutMs?: number,
  ): Promise<TaskCompleted & { readonly result?: Result }> {
    const fault = idFault(taskId);
    if (fault) throw fault;
    const completed = `${family}.${taskId}.completed`;
    const failed = `${family}.${taskId}.failed`;
    const event = await waitFor<AgentwireEvent>({
      client: this.client,
      clock: this.clock,
      topics: [completed, failed],
      hear: (heard) => heard,
      // A task that failed and was tried again has both, and the later one counts.
      look: async () => {
        const last = await Promise.all([completed, failed].map((topic) => this.#last(topic)));
        return last.reduce((a, b) => (b && (!a || b.ts > a.ts) ? b : a));
      },
      timeoutMs,
      tooLate: `task ${taskId} has not ended within ${timeoutMs} ms`,
    });
    if (event.topic === failed) throw new TaskError(event.data as TaskFailed);
    return event.data as TaskCompleted & { readonly result?: Result };
  }

  async #last(topic: string): Promise<AgentwireEvent | undefined> {
    const { events } = await this.client.history(topic, { reverse: true, limit: 1 });
    const [last] = events;
    return last && { ...last, topic };
  }

  protected topicsOf(id: string): Followed[] {
    const of = `${family}.${id}`;
    const others = ['created', 'assigned', 'completed', 'failed', 'error'].map((kind): Followed => [`${of}.${kind}`]);
    return [[`${of}.progress`, present], ...others];
  }

  protected heard({ kind, id, data }: Heard): void {
    // The broker lets everything pass there.
    if (kind === 'error' && !(hasField(data, 'taskId', id) && hasField(data, 'error'))) return;
    if (kinds.has(kind)) this.tell(kind as keyof TaskEvents, id, data);
  }
}

/** For a publisher that reports for those who work on tasks. */
export class TaskChannelServer extends ChannelServer {
  constructor(client: AgentwireClient) {
    super(client, family);
  }

  publishCreated(event: TaskCreated): Promise<PublishResult> {
    return this.publish(event.taskId, 'created', event);
  }

  publishAssigned(event: TaskAssigned): Promise<PublishResult> {
    return this.publish(event.taskId, 'assigned', event);
  }

  publishProgress(event: TaskProgress): Promise<PublishResult> {
    return this.publish(event.taskId, 'progress', event);
  }

  /** One whose `status` says that it failed or was cancelled is published as failed. */
  publishCompleted(event: TaskCompleted): Promise<PublishResult> {
    const end = endOf(event);
    return this.publish(event.taskId, end.kind, end.data);
  }

  publishFailed(event: TaskFailed): Promise<PublishResult> {
    return this.publish(event.taskId, 'failed', event);
  }

  /** The ancestor's name for `publishFailed`, unless the error is `recoverable`. */
  publishError(event: TaskFailed): Promise<PublishResult> {
    return this.publish(event.taskId, errorKind(event), event);
  }

  publishTaskStarted(taskId: string, agentId?: string): Promise<PublishResult> {
    const by = agentId === undefined ? {} : { agentId };
    return this.publishProgress({ taskId, progress: 0, status: 'in-progress', message: 'Task started', ...by });
  }

  publishTaskSuccess(taskId: string, result: unknown = null, duration?: number): Promise<PublishResult> {
    const took = duration === undefined ? {} : { duration };
    return this.publishCompleted({ taskId, status: 'completed', result, ...took });
  }

  publishTaskFailure(taskId: string, error: Error, duration?: number): Promise<PublishResult> {
    const took = duration === undefined ? {} : { duration };
    return this.publishFailed({ taskId, error: { message: error.message }, ...took });
  }
}

/** The ancestor has one event for both ends. */
function endOf(event: TaskCompleted): { kind: 'completed' | 'failed'; data: object } {
  const { status, error } = event;
  if (status !== 'failed' && status !== 'cancelled') return { kind: 'completed', data: event };
  return { kind: 'failed', data: { ...event, error: error ?? { code: status, message: `the task was ${status}` } } };
}

function errorKind({ error }: TaskFailed): 'error' | 'failed' {
  return typeof error === 'object' && error !== null && 'recoverable' in error && error.recoverable === true
    ? 'error'
    : 'failed';
}

function messageOf(error: unknown): string {
  if (typeof error === 'string') return error;
  const message = typeof error === 'object' && error !== null && 'message' in error ? error.message : undefined;
  return typeof message === 'string' ? message : 'the task failed';
}
