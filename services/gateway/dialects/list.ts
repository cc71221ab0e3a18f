import type { Dialect } from './dialect.ts';
// First, for the formats count from there: an event then holds no more than the one frame that nearly all want.
import { native } from './native/native.ts';
import { agentRuns } from './agent-runs/agent-runs.ts';
import { chat } from './chat/chat.ts';
import { checkpoints } from './checkpoints/checkpoints.ts';
import { visualization } from './visualization/visualization.ts';

/** Every dialect that a gateway speaks. A new one is a file, a line here, and a folder of fixtures. */
export const dialects: readonly Dialect[] = [native, agentRuns, chat, visualization, checkpoints];
