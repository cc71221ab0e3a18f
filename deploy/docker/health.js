// The container's health check, for an image without curl: `node health.js /readyz` leaves with 0 where the process of
// this container answers 200. Without a path it asks whether the process is alive.
const [path = '/healthz'] = process.argv.slice(2);
const url = `http://127.0.0.1:${process.env.PORT || 8080}${path}`;
const healthy = await fetch(url, { signal: AbortSignal.timeout(2000) }).then(
  (answer) => answer.ok,
  () => false,
);
process.exit(healthy ? 0 : 1);
