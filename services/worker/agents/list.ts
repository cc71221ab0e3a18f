import type { Agent } from '../agent.ts';
import { approval } from './approval.ts';
import { countdown } from './countdown.ts';
import { echo } from './echo.ts';
import { fail } from './fail.ts';

/** Those that every build has. */
export const builtInAgents: readonly Agent[] = [echo, countdown, approval, fail];
