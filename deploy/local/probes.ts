import { connect } from 'node:net';

const patienceMs = 1000;

/** False as well while it still reads its file. */
export function redisAnswers(port: number): Promise<boolean> {
  return new Promise((answered) => {
    const socket = connect(port, '127.0.0.1', () => void socket.write('PING\r\n'));
    socket.setTimeout(patienceMs, () => socket.destroy());
    socket.once('data', (reply) => {
      answered(reply.toString() === '+PONG\r\n');
      socket.destroy();
    });
    socket.once('error', () => answered(false)).once('close', () => answered(false));
  });
}

export async function isReady(url: string): Promise<boolean> {
  const answer = await fetch(`${url}/readyz`, {
    // Else this side keeps the connection open, and a gateway that drains waits for it.
    headers: { connection: 'close' },
    signal: AbortSignal.timeout(patienceMs),
  });
  return answer.ok;
}

/** How many gateways have passed a check of the balancer, which takes each of them to be up before the first one. */
export async function gatewaysUp(statsUrl: string): Promise<number> {
  const page = await fetch(`${statsUrl}/;csv`, {
    headers: { connection: 'close' },
    signal: AbortSignal.timeout(patienceMs),
  });
  const [head = [], ...rows] = (await page.text()).split('\n').map((line) => line.split(','));
  const [status, check] = [head.indexOf('status'), head.indexOf('check_status')];
  return rows.filter((row) => row[status] === 'UP' && row[check] === 'L7OK').length;
}
