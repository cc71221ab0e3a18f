import type { Dialect } from './dialect.ts';
import { native } from './native/native.ts';

/** Every dialect that a gateway speaks. A new one is a file, a line here, and a folder of fixtures. */
export const dialects: readonly Dialect[] = [native];
