import type { Logger } from 'pino';
import type { Cluster, Identity } from '../cluster/types.js';
import { ClientAuthentication } from '../crypto/authentication.js';
import { assert } from '../limits.js';
import type { NetCounters } from '../net/counters.js';
import { ClientEndpoint } from '../net/endpoint.js';
import type { Link } from '../net/link.js';
import type { Dialed, LinkHandler } from '../net/link-handler.js';
import { Client, type Completion, type UnsealedRequest } from '../pbft/client.js';
import { Configuration } from '../pbft/configuration.js';
import type { Message, ReplicaId, Request } from '../pbft/messages.js';
import { SteadyClock } from '../steady-clock.js';
import { encodeMessage } from '../wire/codec.js';
import { encodeRequestBody } from '../wire/request-body.js';
import { CallError, type CallOptions, type ServiceClient } from './types.js';

export interface ConnectOptions {
  cluster: Cluster;
  identity: Identity;
  log: Logger;
  /** Of calls that name none. */
  deadlineMs: number;
  /** Calls in flight at most. */
  slots?: number;
}

/** What a client knows of the cluster it talks to. */
export interface ClientHealth {
  /** Replicas that a link is up to. */
  linked: ReplicaId[];
  /** Calls sent and not answered. */
  outstanding: number;
  /** Of the group's history (DESIGN 3.11); undefined before a session is open. */
  incarnation: number | undefined;
  counters: Record<string, number>;
}

const DEFAULT_SLOTS = 64;
const TICK_MS = 10;
/** How long `connect` waits for a quorum of links before it leaves the waiting to the calls. */
const LINKS_WAIT_MS = 1000;
const CLOSE_SESSION_MS = 2000;

interface Waiting {
  resolve(result: Uint8Array): void;
  reject(error: CallError): void;
}

const AT_ONCE: Promise<void> = Promise.resolve();

/** A client of the replicated service over real links: the shell around the state machine in src/pbft/client.ts. */
export class ReplicaClient implements ServiceClient, LinkHandler {
  private readonly core: Client;
  private readonly endpoint: ClientEndpoint;
  private readonly authentication: ClientAuthentication;
  private readonly clock = new SteadyClock();
  private readonly waiting = new Map<number, Waiting>();
  /** Calls that failed at their deadline and may still be executed. */
  private readonly inDoubt = new Map<number, () => void>();
  private readonly sessionLostListeners: (() => void)[] = [];
  private readonly inspections = new Map<ReplicaId, ((json: string) => void)[]>();
  /** Replicas that say that this client was revoked. */
  private readonly dismissedBy = new Set<ReplicaId>();
  /** Why there is no link to a replica that answered: it, or whoever is there in its place, does not agree to one. */
  readonly refusals = new Map<ReplicaId, string>();
  private readonly encoded = new WeakMap<Request, Buffer>();
  private readonly ticking: NodeJS.Timeout;
  private instance = 0;
  private turnScheduled = false;
  private closed = false;
  private onLinked: (() => void) | undefined;

  constructor(private readonly options: ConnectOptions) {
    const { cluster, identity } = options;
    this.authentication = new ClientAuthentication(cluster, identity);
    this.core = new Client({
      configuration: new Configuration(cluster.f, -1, cluster.optimizations),
      client: identity.id,
      slots: options.slots ?? DEFAULT_SLOTS,
      ports: {
        seal: (request) => this.seal(request),
        resultDigest: (result) => this.authentication.resultDigest(result),
        newInstance: () => Math.max(Math.floor((performance.timeOrigin + performance.now()) * 1000), this.instance + 1),
      },
    });
    this.endpoint = new ClientEndpoint({ cluster, identity, handler: this });
    this.endpoint.start();
    this.ticking = setInterval(() => this.tick(), TICK_MS);
  }

  call(operation: Uint8Array, { readOnly = false, deadlineMs }: CallOptions = {}): Promise<Uint8Array> {
    if (this.closed) return Promise.reject(new CallError('closed', 'the client is closed'));
    return this.wait(this.core.submit(operation, readOnly, deadlineMs ?? this.options.deadlineMs));
  }

  private wait(call: number): Promise<Uint8Array> {
    this.scheduleTurn();
    return new Promise((resolve, reject) => this.waiting.set(call, { resolve, reject }));
  }

  private seal(unsealed: UnsealedRequest): Request {
    const body = encodeRequestBody(unsealed);
    const keys = this.options.cluster.replicas.map(({ id }) => this.endpoint.replicas[id]?.authenticatorKeys[0]);
    return { kind: 'request', ...unsealed, body, ...this.authentication.seal(body, unsealed.readOnly, keys) };
  }

  /** Calls made in one turn of the event loop leave together, in as few requests as will do. */
  private scheduleTurn(): void {
    if (this.turnScheduled) return;
    this.turnScheduled = true;
    setImmediate(() => {
      this.turnScheduled = false;
      this.core.advanceClock(this.clock.advance());
      this.turn();
    });
  }

  private turn(): void {
    const ready = this.core.takeReady();
    if (ready.attach !== undefined) {
      this.instance = ready.attach;
      for (const link of this.endpoint.replicas) if (link) this.attach(link);
    }
    for (const { to, request } of ready.send) {
      if (to === 'replicas') for (const link of this.endpoint.replicas) link?.send(this.encode(request));
      else this.endpoint.replicas[to]?.send(this.encode(request));
    }
    if (ready.revoked) this.onRevoked();
    if (ready.sessionLost) {
      if (!ready.revoked) this.logLoss(ready.incarnation);
      for (const listener of this.sessionLostListeners) listener();
    }
    for (const completion of ready.completed) this.complete(completion);
  }

  /** Nothing will come of any link. */
  private onRevoked(): void {
    this.options.log.error('this client was revoked: no call of it is executed any more');
    this.endpoint.close();
    this.onLinked?.();
  }

  /** Whether the client was revoked: every call fails. */
  get isRevoked(): boolean {
    return this.core.isRevoked;
  }

  private logLoss(incarnation: number | undefined): void {
    const { log } = this.options;
    if (incarnation === undefined) {
      log.error('the session was lost: the outcome of what was in flight in it will never be known');
      return;
    }
    const what = 'a new incarnation of the group: more than f replicas lost power, or their disks, together';
    log.error({ incarnation }, `${what}; changes that were not fsynced may be lost, and those in flight fail`);
  }

  private complete(completion: Completion): void {
    const { call } = completion;
    const waiting = this.waiting.get(call);
    this.waiting.delete(call);
    if (completion.kind === 'result') {
      waiting?.resolve(completion.result);
    } else if (completion.kind === 'failed') {
      const settled = completion.final ? AT_ONCE : new Promise<void>((resolve) => this.inDoubt.set(call, resolve));
      waiting?.reject(new CallError(completion.failure, completion.detail ?? this.whyNoQuorum(), settled));
    } else {
      this.inDoubt.get(call)?.();
      this.inDoubt.delete(call);
    }
  }

  onSessionLost(listener: () => void): void {
    this.sessionLostListeners.push(listener);
  }

  private encode(request: Request): Buffer {
    let bytes = this.encoded.get(request);
    if (bytes === undefined) {
      bytes = encodeMessage(request);
      this.encoded.set(request, bytes);
    }
    return bytes;
  }

  private whyNoQuorum(): string {
    const { cluster } = this.options;
    const { linked } = this.health();
    const missing = cluster.replicas.map(({ id }) => id).filter((id) => !linked.includes(id));
    const links = missing.length === 0 ? 'all replicas are linked' : `no link to replica ${missing.join(', ')}`;
    return `no ${2 * cluster.f + 1} matching replies before the deadline: ${links}`;
  }

  private tick(): void {
    this.core.tick(this.clock.advance());
    this.turn();
  }

  health(): ClientHealth {
    const linked = this.options.cluster.replicas
      .map(({ id }) => id)
      .filter((id) => this.endpoint.replicas[id] !== undefined);
    const { outstanding, knownIncarnation: incarnation, counters } = this.core;
    return { linked, outstanding, incarnation, counters: { ...counters } };
  }

  /** For `byzfs bench --profile`. */
  get net(): NetCounters {
    return this.endpoint.counters;
  }

  onUp(link: Link): void {
    const { id } = link.peer;
    this.core.linkUp(id);
    this.refusals.delete(id);
    this.attach(link);
    if (this.inspections.has(id)) link.send(encodeMessage({ kind: 'inspect', scrub: false }));
    if (this.health().linked.length >= 2 * this.options.cluster.f + 1) this.onLinked?.();
    this.options.log.debug({ replica: id }, 'linked');
  }

  private attach(link: Link): void {
    if (this.instance !== 0) link.send(encodeMessage({ kind: 'attach', instance: this.instance }));
  }

  onDown(link: Link, reason: string): void {
    const { id } = link.peer;
    this.core.linkDown(id);
    if (!this.closed && !this.isRevoked && !this.dismissedBy.has(id)) {
      this.options.log.warn({ replica: id, reason }, 'link to a replica is down');
    }
  }

  onRefused(address: string, reason: string, dialed?: Dialed): void {
    this.options.log.debug({ address, reason }, 'no link to a replica');
    if (dialed !== undefined && dialed.code !== 'disconnected') this.refusals.set(dialed.replica, reason);
  }

  onMessage(link: Link, message: Message): void {
    if (message.kind === 'reply') {
      this.core.receive(message, link.peer.id);
      this.scheduleTurn();
    } else if (message.kind === 'inspection') {
      for (const resolve of this.inspections.get(link.peer.id) ?? []) resolve(message.json);
      this.inspections.delete(link.peer.id);
    } else if (message.kind === 'revoked') {
      this.dismissedBy.add(link.peer.id);
      this.core.onRevoked(link.peer.id);
      this.scheduleTurn();
    } else {
      assert(false, `${message.kind} let through to a client`);
    }
  }

  /**
   * What a replica says of itself; null if it does not answer in time, or not in JSON.
   * @param scrub whether it is to look through its state; only the administrator is heard
   */
  inspect(replica: ReplicaId, timeoutMs: number, scrub = false): Promise<unknown> {
    return new Promise((resolve) => {
      const waiting = this.inspections.get(replica) ?? [];
      this.inspections.set(replica, waiting);
      const done = (value: unknown): void => {
        clearTimeout(timer);
        resolve(value);
      };
      const timer = setTimeout(() => done(null), timeoutMs);
      waiting.push((json) => done(parsed(json)));
      this.endpoint.replicas[replica]?.send(encodeMessage({ kind: 'inspect', scrub }));
    });
  }

  /** Resolves when a quorum can be reached, or after a moment without. */
  linked(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, LINKS_WAIT_MS);
      this.onLinked = () => {
        clearTimeout(timer);
        resolve();
      };
      if (this.health().linked.length >= 2 * this.options.cluster.f + 1) this.onLinked();
    });
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    if (this.core.hasSession) await this.wait(this.core.closeSession(CLOSE_SESSION_MS)).catch(() => undefined);
    clearInterval(this.ticking);
    this.endpoint.close();
    for (const { reject } of this.waiting.values()) reject(new CallError('closed', 'the client is closed'));
    this.waiting.clear();
    for (const settle of this.inDoubt.values()) settle();
    this.inDoubt.clear();
  }
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}

/** Connects to the replicas of a cluster. Resolves even where there is no quorum yet: calls then wait for one. */
export async function connect(options: ConnectOptions): Promise<ReplicaClient> {
  const client = new ReplicaClient(options);
  await client.linked();
  return client;
}
