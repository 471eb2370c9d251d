/** All links of one process: a replica's, to every other replica and from clients; or a client's, to every replica. */
import { assert } from '../limits.js';
import { createContext, type NetContext, type NetOptions } from './context.js';
import type { NetCounters } from './counters.js';
import { Dialer } from './dialer.js';
import type { Link } from './link.js';
import type { LinkHandler } from './link-handler.js';
import { Listener } from './listener.js';

/** `handler` with the link tables brought up to date before it hears of anything. */
function trackingHandler(handler: LinkHandler, onUp: (link: Link) => void, onDown: (link: Link) => void): LinkHandler {
  return {
    onUp(link) {
      onUp(link);
      handler.onUp(link);
    },
    onMessage: (link, message, bytes) => handler.onMessage(link, message, bytes),
    onDown(link, reason) {
      onDown(link);
      handler.onDown(link, reason);
    },
    onRefused: (address, reason, dialed) => handler.onRefused?.(address, reason, dialed),
  };
}

/** Of a pair of replicas the one of the higher id dials: one link per pair. */
export class ReplicaEndpoint {
  /** By replica id; undefined for those that are not connected and for this replica. */
  readonly replicas: (Link | undefined)[];
  /** Links of client processes; several may have one client's identity. */
  readonly clients = new Set<Link>();
  private readonly context: NetContext;
  private readonly listener: Listener;
  private readonly dialers: Dialer[] = [];

  constructor(options: NetOptions) {
    assert(options.identity.role === 'replica', 'a replica endpoint is a replica');
    const onUp = (link: Link): void => {
      if (link.peer.role === 'replica') this.replicas[link.peer.id] = link;
      else this.clients.add(link);
    };
    const onDown = (link: Link): void => {
      this.clients.delete(link);
      if (this.replicas[link.peer.id] === link) this.replicas[link.peer.id] = undefined;
      if (link.isDialer) this.dialers[link.peer.id].forget(link);
      else this.listener.forget(link);
    };
    this.context = createContext({ ...options, handler: trackingHandler(options.handler, onUp, onDown) });
    const { cluster, id } = this.context;
    this.replicas = cluster.replicas.map(() => undefined);
    this.listener = new Listener(this.context);
    for (const target of cluster.replicas)
      if (target.id < id) this.dialers[target.id] = new Dialer(this.context, target);
  }

  get counters(): NetCounters {
    return this.context.counters;
  }

  /**
   * Listens where the cluster file says and dials the others. Yields the port.
   * @param bindHost the address to listen on where it is not the one others dial
   */
  async start(bindHost?: string): Promise<number> {
    const { host, port } = this.context.cluster.replicas[this.context.id];
    const bound = await this.listener.listen(bindHost ?? host, port);
    for (const dialer of this.dialers) dialer.start();
    return bound;
  }

  async close(): Promise<void> {
    for (const dialer of this.dialers) dialer.close();
    await this.listener.close();
  }
}

export class ClientEndpoint {
  /** By replica id; undefined for those that are not connected. */
  readonly replicas: (Link | undefined)[];
  private readonly context: NetContext;
  private readonly dialers: Dialer[];

  constructor(options: NetOptions) {
    assert(options.identity.role === 'client', 'a client endpoint is a client');
    const onUp = (link: Link): void => {
      this.replicas[link.peer.id] = link;
    };
    const onDown = (link: Link): void => {
      if (this.replicas[link.peer.id] === link) this.replicas[link.peer.id] = undefined;
      this.dialers[link.peer.id].forget(link);
    };
    this.context = createContext({ ...options, handler: trackingHandler(options.handler, onUp, onDown) });
    this.replicas = this.context.cluster.replicas.map(() => undefined);
    this.dialers = this.context.cluster.replicas.map((target) => new Dialer(this.context, target));
  }

  get counters(): NetCounters {
    return this.context.counters;
  }

  /** Dials every replica, and again whenever a link is lost. */
  start(): void {
    for (const dialer of this.dialers) dialer.start();
  }

  close(): void {
    for (const dialer of this.dialers) dialer.close();
  }
}
