import type { Agent } from '../../services/worker/agent.ts';

/** Keeps its input as a state, under a label, and completes with what it has begun from. */
const saving: Agent = {
  name: 'saving',
  description: 'Makes a checkpoint of its input.',
  async *run({ state, input, checkpoint }) {
    yield 'kept as ';
    yield await checkpoint({ label: 'half way', state: input, tags: ['run'] });
    return { from: state };
  },
};

export default saving;
