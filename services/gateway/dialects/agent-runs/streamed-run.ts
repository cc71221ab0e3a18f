import { fail, ok } from '../../../../shared/base/errors.ts';
import { explain } from '../../../../shared/protocol/explain.ts';
import { isMap } from '../../../../shared/protocol/common.ts';
import { sessionId } from '../../../../shared/protocol/runs.ts';
import type { Streamed } from '../dialect.ts';
import { readRun, startedFrame } from './frames.ts';
import { runsFormat } from './runs-format.ts';
import { startRun } from './start.ts';

const notMap = fail('bad_request', 'the body must be a map');

/** One run and its messages, as over the WebSocket. Leaving does not cancel it. */
export const streamedRun: Streamed = {
  path: '/api/v1/sessions/:session/run/sse',
  format: runsFormat,
  start(asker, { params }, body, done) {
    const session = sessionId.safeParse(params['session']);
    const frame = isMap(body) ? readRun({ ...body, type: 'run', sessionId: null }) : notMap;
    if (!session.success) {
      done(fail('bad_request', explain(session.error, params['session'], 'the id of the session')));
    } else if (!frame.ok) {
      done(frame);
    } else {
      startRun(asker, session.data, frame.value, (started) => {
        if (!started.ok) return done(started);
        const { run, attach } = started.value;
        done(ok({ first: startedFrame(run.invocation, session.data), attach }));
      });
    }
  },
};
