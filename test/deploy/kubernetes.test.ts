import { readdirSync } from 'node:fs';
import { Deployment, StatefulSet } from 'kubernetes-models/apps/v1';
import { Ingress, NetworkPolicy } from 'kubernetes-models/networking.k8s.io/v1';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1';
import { Service } from 'kubernetes-models/v1';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { loadConfig } from '../../shared/config/load-config.ts';
import { patienceMs } from '../../services/process/store.ts';
import { lacks, npmScript, root, run, textOf, yamlOf } from '../support/deploy-files.ts';

interface Probe {
  httpGet?: { path: string; port: string };
  periodSeconds: number;
  failureThreshold: number;
}
interface Container {
  name: string;
  image: string;
  command?: string[];
  ports: { name: string; containerPort: number }[];
  env: { name: string; value?: string; valueFrom?: object }[];
  startupProbe: Probe;
  readinessProbe: Probe;
  livenessProbe: Probe;
  lifecycle?: { preStop: { exec: { command: string[] } } };
}
interface PodSpec {
  topologySpreadConstraints?: { labelSelector: { matchLabels: Labels }; matchLabelKeys: string[] }[];
  enableServiceLinks?: boolean;
  terminationGracePeriodSeconds: number;
  containers: [Container];
}
interface Path {
  path: string;
  pathType: string;
  backend: { service: { name: string; port: { name: string } } };
}
type Labels = Record<string, string>;
interface Peer {
  podSelector: { matchLabels: Labels; matchExpressions: [{ key: string; operator: string; values: string[] }] };
}
interface Manifest {
  kind: string;
  metadata: { name: string };
  spec: {
    replicas?: number;
    selector?: Labels & { matchLabels?: Labels };
    serviceName?: string;
    unhealthyPodEvictionPolicy?: string;
    podSelector?: { matchLabels: Labels };
    ingress?: { from: Peer[]; ports: { port: string }[] }[];
    ports?: { name: string; targetPort: string }[];
    rules?: { http: { paths: Path[] } }[];
    template?: { metadata: { labels: Labels }; spec: PodSpec };
  };
}
interface Kustomization {
  resources: string[];
  images?: { name: string; newTag: string }[];
  configMapGenerator?: { name: string; literals: string[] }[];
  secretGenerator?: { name: string; literals: string[] }[];
}

const models = { Deployment, StatefulSet, Ingress, PodDisruptionBudget, Service, NetworkPolicy };
const folder = 'deploy/kubernetes';
const base = yamlOf<Kustomization>(`${folder}/base/kustomization.yaml`);
const files = ['base', 'trial'].flatMap((name) =>
  readdirSync(`${root}${folder}/${name}`)
    .filter((file) => file !== 'kustomization.yaml')
    .map((file) => `${name}/${file}`),
);
const manifests = files.flatMap((file) =>
  parseAllDocuments(textOf(`${folder}/${file}`)).map((document) => document.toJS() as Manifest),
);
const literals = [...(base.configMapGenerator ?? []), ...(base.secretGenerator ?? [])].flatMap((one) => one.literals);
const settings = Object.fromEntries(literals.map((line) => line.split(/=(.*)/s).slice(0, 2) as [string, string]));

function named(kind: string, name: string): Manifest {
  const found = manifests.find((one) => one.kind === kind && one.metadata.name === name);
  if (!found) throw new Error(`there is no ${kind} ${name}`);
  return found;
}

function podOf(kind: string, name: string): { spec: PodSpec; labels: Labels; container: Container } {
  const { template } = named(kind, name).spec;
  if (!template) throw new Error(`${kind} ${name} has no pods`);
  return { spec: template.spec, labels: template.metadata.labels, container: template.spec.containers[0] };
}

const services = ['gateway', 'worker'] as const;
const withoutKubectl = lacks('kubectl', 'version', '--client');

describe('the manifests for Kubernetes', () => {
  it.each(manifests.map((one) => [`${one.kind} ${one.metadata.name}`, one] as const))('%s is valid', (_name, one) => {
    const model = models[one.kind as keyof typeof models] as new (data: object) => { validate(): void };
    expect(() => new model(one).validate()).not.toThrow();
  });

  it('are all named by the kustomizations', () => {
    const trial = yamlOf<Kustomization>(`${folder}/trial/kustomization.yaml`);
    const resources = [
      ...base.resources.map((name) => `base/${name}`),
      ...trial.resources.map((name) => `trial/${name}`),
    ];
    expect(resources.toSorted()).toEqual([...files, 'trial/../base'].toSorted());
  });

  it.skipIf(withoutKubectl).each(['base', 'trial'])(`are put together by kubectl: %s${withoutKubectl}`, (name) => {
    expect(run('kubectl', 'kustomize', `${folder}/${name}`)).toMatchObject({ ok: true });
  });

  it('take the image of this version', () => {
    const { version } = JSON.parse(textOf('package.json')) as { version: string };
    expect(base.images).toEqual([{ name: 'agentwire', newTag: version }]);
  });

  it.each(services)('start a %s as npm does, with settings that it takes', (service) => {
    const { container } = podOf('Deployment', `agentwire-${service}`);
    expect(container.command).toEqual(npmScript(service));
    const given = container.env.flatMap(({ name, value }) => (value === undefined ? [] : [[name, value]]));
    const env = { ...settings, ...Object.fromEntries(given) };
    const loaded = loadConfig(env, service);
    expect(loaded).toMatchObject({ ok: true, config: { port: container.ports[0]?.containerPort } });
  });

  // Every gateway would start without it, and be alone.
  it.each(services)('start no %s without an address of Redis', (service) => {
    const { container } = podOf('Deployment', `agentwire-${service}`);
    expect(container.env.find(({ name }) => name === 'REDIS_URL')).toEqual({
      name: 'REDIS_URL',
      valueFrom: { secretKeyRef: { name: 'agentwire', key: 'REDIS_URL' } },
    });
  });

  // Kubernetes sets AGENTWIRE_PORT and the like for a Service of the name agentwire.
  it.each(services)('keep variables that nobody set from a %s', (service) => {
    expect(podOf('Deployment', `agentwire-${service}`).spec.enableServiceLinks).toBe(false);
  });

  it.each(services)('ask a %s for health where it serves it', (service) => {
    const { startupProbe, readinessProbe, livenessProbe } = podOf('Deployment', `agentwire-${service}`).container;
    expect([startupProbe, readinessProbe, livenessProbe].map(({ httpGet }) => httpGet)).toEqual([
      { path: '/healthz', port: 'http' },
      { path: '/readyz', port: 'http' },
      { path: '/healthz', port: 'http' },
    ]);
  });

  // It does not listen before it has reached its store, and the other probes do not ask before this one was answered.
  it.each(services)('let a %s wait for Redis at its start for as long as it does', (service) => {
    const { periodSeconds, failureThreshold } = podOf('Deployment', `agentwire-${service}`).container.startupProbe;
    const forStartS = 15;
    expect(periodSeconds * failureThreshold).toBeGreaterThanOrEqual(patienceMs / 1000 + forStartS);
  });

  it.each(services)('leave a %s more time to stop than it takes', (service) => {
    const { spec, container } = podOf('Deployment', `agentwire-${service}`);
    const beforeS = Number(container.lifecycle?.preStop.exec.command[1] ?? 0);
    const drainS = Number(settings['AGENTWIRE_DRAIN_MS']) / 1000;
    expect(spec.terminationGracePeriodSeconds).toBeGreaterThan(beforeS + drainS + 15);
  });

  it.each([
    ['Deployment', 'agentwire-gateway', 'Service', 'agentwire'],
    ['Deployment', 'agentwire-gateway', 'PodDisruptionBudget', 'agentwire-gateway'],
    ['Deployment', 'agentwire-worker', 'PodDisruptionBudget', 'agentwire-worker'],
    ['StatefulSet', 'agentwire-redis', 'Service', 'agentwire-redis'],
  ])('let the pods of %s %s be found by %s %s', (owner, name, kind, other) => {
    const { labels, container } = podOf(owner, name);
    const { selector, ports = [] } = named(kind, other).spec;
    expect(labels).toEqual(selector?.matchLabels ?? selector);
    expect(labels).toEqual(named(owner, name).spec.selector?.matchLabels);
    for (const { targetPort } of ports) expect(container.ports.map((port) => port.name)).toContain(targetPort);
  });

  // Spread by all pods of both versions, the new ones crowd together where the old ones were few.
  it.each(services)('spread each version of the %ss over the nodes by itself', (service) => {
    const { spec, labels } = podOf('Deployment', `agentwire-${service}`);
    expect(spec.topologySpreadConstraints).toMatchObject([
      { labelSelector: { matchLabels: labels }, matchLabelKeys: ['pod-template-hash'] },
    ]);
  });

  // With Redis away all are unready, and a budget that counted them would keep every node from being drained.
  it.each(services)('let a %s that is not ready go from a node that is drained', (service) => {
    const { spec } = named('PodDisruptionBudget', `agentwire-${service}`);
    expect(spec.unhealthyPodEvictionPolicy).toBe('AlwaysAllow');
  });

  it('let gateways and workers to the Redis of the trial, which has no password, and nobody else', () => {
    const { spec } = named('NetworkPolicy', 'agentwire-redis');
    const { labels, container } = podOf('StatefulSet', 'agentwire-redis');
    expect(spec.podSelector?.matchLabels).toEqual(labels);
    const [{ from, ports } = { from: [], ports: [] }, ...others] = spec.ingress ?? [];
    expect([others, from.length, ports]).toEqual([[], 1, [{ port: container.ports[0]?.name }]]);
    const { matchLabels, matchExpressions } = from[0]!.podSelector;
    const [{ key, operator, values }] = matchExpressions;
    const letIn = services.map((service) => podOf('Deployment', `agentwire-${service}`).labels);
    expect(operator).toBe('In');
    expect(values.map((value) => ({ ...matchLabels, [key]: value }))).toEqual(letIn);
  });

  it('lead from the ingress to the gateways, and from them to Redis', () => {
    const paths = named('Ingress', 'agentwire').spec.rules?.[0]?.http.paths ?? [];
    const { service } = paths.find(({ path }) => path === '/')?.backend ?? {};
    const ports = named('Service', service?.name ?? '').spec.ports?.map(({ name }) => name);
    expect(ports).toContain(service?.port.name);
    expect(named('Service', new URL(settings['REDIS_URL'] ?? '').hostname).metadata.name).toBe('agentwire-redis');
  });

  it('keep the figures of the gateways inside', () => {
    const paths = named('Ingress', 'agentwire').spec.rules?.[0]?.http.paths ?? [];
    const [metrics] = paths.filter(({ path, pathType }) => path === '/metrics' && pathType === 'Exact');
    const nowhere = named('Service', metrics?.backend.service.name ?? '');
    expect(nowhere.spec.selector).toBeUndefined();
    expect(nowhere.spec.ports?.map(({ name }) => name)).toEqual([metrics?.backend.service.port.name]);
  });
});
