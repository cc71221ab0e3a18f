import { MetricsPage } from '../../shared/observe/metrics-page.ts';
import { configOf, engineOf, giveUp, loggerOf, runServices, storeOf } from '../process/process.ts';
import { packageVersion } from '../process/version.ts';
import { agentsOf } from './agents-of.ts';
import { WorkerHttp } from './http.ts';
import { Worker } from './worker.ts';

const config = configOf('worker');
const log = loggerOf('worker', config);
try {
  const agents = await agentsOf('worker', { config, log });
  const engine = engineOf(config, log);
  const page = new MetricsPage(packageVersion(), () => engine.ready());
  const worker = new Worker({ config, engine, log, page, agents });
  const { host, port } = config;
  const http = new WorkerHttp({ host, port, worker: worker.id, status: () => worker.status(), metrics: page, log });
  // A port that is taken is found before a run is.
  await runServices([storeOf(engine), http, worker], config, log);
} catch (error) {
  giveUp('worker', error, log);
}
