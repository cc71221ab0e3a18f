import { MetricsPage } from '../../shared/observe/metrics-page.ts';
import { configOf, giveUp, loggerOf, runServices } from '../process/process.ts';
import { engineOf, storeOf } from '../process/store.ts';
import { tracingOf } from '../process/tracing.ts';
import { packageVersion } from '../process/version.ts';
import { agentsOf } from './agents-of.ts';
import { WorkerHttp } from './http.ts';
import { Worker } from './worker.ts';

const config = configOf('worker');
const traces = await tracingOf('worker');
const tracing = traces?.tracing;
const log = loggerOf('worker', config, tracing);
try {
  const agents = await agentsOf('worker', { config, log });
  const engine = engineOf(config, log, tracing);
  const page = new MetricsPage(packageVersion(), engine);
  const worker = new Worker({ config, engine, log, page, agents, tracing });
  const { host, port } = config;
  const http = new WorkerHttp({ host, port, worker: worker.id, status: () => worker.status(), metrics: page, log });
  // A port that is taken is found before a run is.
  const first = traces ? [traces.service(log)] : [];
  await runServices([...first, storeOf(config, engine, log), http, worker], config, log);
} catch (error) {
  giveUp('worker', error, log);
}
