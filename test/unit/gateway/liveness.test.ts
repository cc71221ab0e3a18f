import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../../shared/base/clock.ts';
import { join } from '../../support/client.ts';
import { startGateway } from '../../support/in-process.ts';

const env = { AGENTWIRE_HEARTBEAT_MS: '1000', AGENTWIRE_CLIENT_TIMEOUT_MS: '3000' };

describe('the heartbeat', () => {
  it('pings each connection once an interval, and one that answers stays', async () => {
    const clock = new ManualClock();
    const { port } = await startGateway(env, { clock });
    const client = await join(port);
    for (let beat = 1; beat <= 6; beat += 1) {
      clock.advance(1000);
      await client.until(() => client.pings === beat, `ping ${beat}`);
      // By then the pong that went out before it has been heard.
      await client.ask({ type: 'ping' });
    }
    expect(client.closed).toBeUndefined();
  });

  it('closes with 4408 who never pongs, and leaves the others alone', async () => {
    const clock = new ManualClock();
    const { port } = await startGateway(env, { clock });
    const [dead, live] = [await join(port), await join(port)];
    dead.pause();
    for (let beat = 0; beat < 4; beat += 1) {
      clock.advance(1000);
      await live.ask({ type: 'ping' });
    }
    dead.resume();
    expect(await dead.end()).toMatchObject({ code: 4408 });
    expect((await live.ask({ type: 'ping' })).type).toBe('pong');
  });

  it('takes a request for a sign of life', async () => {
    const clock = new ManualClock();
    const { port } = await startGateway(env, { clock });
    const client = await join(port, {});
    client.socket.removeAllListeners('ping');
    for (let i = 0; i < 10; i += 1) {
      clock.advance(900);
      expect((await client.ask({ type: 'ping' })).type).toBe('pong');
    }
  });
});
