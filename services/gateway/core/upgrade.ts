import { closeCodes } from '../../../shared/protocol/close-codes.ts';
import type { CloseName } from '../../../shared/protocol/close-codes.ts';
import type { Identity } from '../../../shared/domain/identity.ts';
import { anyone } from '../../../shared/domain/identity.ts';
import type { Broker } from './broker.ts';
import type { Client, Conversation, Entrance } from './client.ts';
import { Connection } from './connection.ts';
import type { Connections } from './connections.ts';
import { originWelcome } from './origin.ts';
import { bearerOf } from './token.ts';
import type { Link, LinkHandler, Request, UpgradeDecision, WebSocketRoute } from './transport.ts';

/** What a route needs to know of the dialect that is spoken there. */
export interface Spoken {
  readonly name: string;
  readonly compression?: WebSocketRoute['compression'];
  choose(offered: readonly string[]): string;
  open(client: Client, protocol: string, entrance: Entrance): Conversation;
}

export interface Door {
  readonly broker: Broker;
  readonly connections: Connections;
  draining(): boolean;
}

/** Who may come in: while there is room, from an origin that is welcome, with a token that is good or none yet. */
export function webSocketRoute(door: Door, path: string, spoken: Spoken): WebSocketRoute {
  const { broker } = door;
  return {
    path,
    compression: spoken.compression ?? (broker.config.compression === 'on' ? 'when-offered' : 'off'),
    async upgrade(request) {
      if (door.draining()) return turnedAway(broker, 'draining');
      if (door.connections.size >= broker.config.maxConnections) return turnedAway(broker, 'full');
      const protocol = spoken.choose(offeredBy(request));
      // Refusals that a browser should be able to tell apart have to come as close codes, after the upgrade.
      if (!originWelcome(broker.config, request)) return refused(broker, protocol, 'origin_refused');
      const token = bearerOf(request);
      let identity: Identity | undefined = broker.auth.required ? undefined : anyone;
      if (token !== undefined && broker.auth.required) {
        const found = await broker.auth.authenticate(token);
        if (!found.ok) return refused(broker, protocol, 'unauthenticated');
        identity = found.value;
        // Meanwhile the drain has told everybody who was there.
        if (door.draining()) return turnedAway(broker, 'draining');
      }
      return { accept: true, protocol, open: (link) => open(door, spoken, { protocol, request, link, identity }) };
    },
  };
}

interface Arrival {
  readonly protocol: string;
  readonly request: Request;
  readonly link: Link;
  readonly identity: Identity | undefined;
}

function open(door: Door, spoken: Spoken, { protocol, request, link, identity }: Arrival): Connection {
  const { broker, connections } = door;
  const connection = new Connection(broker, link, identity, (closed) => {
    connections.remove(closed);
    broker.metrics.stats.connections -= 1;
  });
  connections.add(connection);
  broker.metrics.stats.connections += 1;
  broker.metrics.opened(spoken.name);
  connection.speak(spoken.open(connection, protocol, request));
  return connection;
}

function turnedAway(broker: Broker, reason: 'full' | 'draining'): UpgradeDecision {
  broker.metrics.refused(reason);
  return { accept: false, reply: { status: 503, headers: { 'retry-after': '1' }, body: reason } };
}

function refused(broker: Broker, protocol: string, name: CloseName): UpgradeDecision {
  broker.metrics.stats.authFailures += 1;
  return {
    accept: true,
    protocol,
    open(link) {
      link.close(closeCodes[name].code, closeCodes[name].says);
      return deaf;
    },
  };
}

const deaf: LinkHandler = { message() {}, drained() {}, dropped() {}, alive() {}, closed() {} };

function offeredBy(request: Request): string[] {
  return request
    .header('sec-websocket-protocol')
    .split(',')
    .map((name) => name.trim());
}
