import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { Cluster, Identity } from '../../../src/cluster/types.js';
import { SigningKey } from '../../../src/crypto/ed25519.js';
import type { NetTimings } from '../../../src/net/context.js';
import { ClientEndpoint, ReplicaEndpoint } from '../../../src/net/endpoint.js';
import type { Link } from '../../../src/net/link.js';
import type { LinkEndReason, LinkHandler } from '../../../src/net/link-handler.js';
import { ALL_OPTIMIZATIONS } from '../../../src/pbft/configuration.js';
import type { Message } from '../../../src/pbft/messages.js';
import { freePorts } from '../../ports.js';

const seedOf = (role: string, id: number): Buffer => Buffer.alloc(32, `${role}${id}`);

export const replicaIdentity = (id: number): Identity => ({ role: 'replica', id, seed: seedOf('replica', id) });
export const clientIdentity = (id: number): Identity => ({ role: 'client', id, seed: seedOf('client', id) });

export function testCluster(n: number, clients = 2): Cluster {
  const publicKey = (identity: Identity): Buffer => new SigningKey(identity.seed).publicKey;
  const port = freePorts(n);
  return {
    id: Buffer.alloc(32, 0xc1),
    f: Math.floor((n - 1) / 3),
    replicas: Array.from({ length: n }, (_, id) => ({
      id,
      host: '127.0.0.1',
      port: port + id,
      publicKey: publicKey(replicaIdentity(id)),
    })),
    clients: Array.from({ length: clients }, (_, id) => ({
      id,
      name: `c${id}`,
      publicKey: publicKey(clientIdentity(id)),
    })),
    capacityBytes: 2 ** 30,
    capacityInodes: 2 ** 16,
    rootUid: 0,
    rootGid: 0,
    createdSeconds: 1_700_000_000,
    durability: 'buffered',
    requestAuthentication: 'signature',
    recoveryPeriodSeconds: 0,
    encryption: 'auto',
    ownerSignatures: 0,
    optimizations: { ...ALL_OPTIMIZATIONS },
  };
}

/** Remembers all it is told; tests wait for what they expect of it. */
export class Recorder implements LinkHandler {
  readonly up: Link[] = [];
  readonly down: { link: Link; reason: LinkEndReason }[] = [];
  readonly messages: { link: Link; message: Message; bytes: number }[] = [];
  readonly refused: string[] = [];
  respond: ((link: Link, message: Message) => void) | undefined;

  onUp(link: Link): void {
    this.up.push(link);
  }
  onMessage(link: Link, message: Message, bytes: number): void {
    this.messages.push({ link, message, bytes });
    this.respond?.(link, message);
  }
  onDown(link: Link, reason: LinkEndReason): void {
    this.down.push({ link, reason });
  }
  onRefused(_address: string, reason: string): void {
    this.refused.push(reason);
  }
}

/** Waits until `condition` holds; fails with `what` after `deadlineMs`. */
export async function until(what: string, condition: () => boolean, deadlineMs = 8_000): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`still waiting for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

const closers: (() => Promise<void> | void)[] = [];

export async function closeAll(): Promise<void> {
  for (const close of closers.splice(0)) await close();
}

export const atEnd = (close: () => Promise<void> | void): void => {
  closers.push(close);
};

export async function startReplica(
  cluster: Cluster,
  id: number,
  timings: Partial<NetTimings> = {},
  epoch = 0,
  clientRate?: (client: number) => number | undefined,
) {
  const handler = new Recorder();
  const endpoint = new ReplicaEndpoint({ cluster, identity: replicaIdentity(id), handler, epoch, timings, clientRate });
  await endpoint.start();
  atEnd(() => endpoint.close());
  return { endpoint, handler };
}

export function startClient(
  cluster: Cluster,
  id: number,
  timings: Partial<NetTimings> = {},
  identity = clientIdentity(id),
) {
  const handler = new Recorder();
  const endpoint = new ClientEndpoint({ cluster, identity, handler, timings });
  endpoint.start();
  atEnd(() => endpoint.close());
  return { endpoint, handler };
}

/** A proxy on the way to `port` that can do to the bytes whatever a network can. */
export async function startProxy(port: number): Promise<TamperingProxy> {
  const proxy = new TamperingProxy(port);
  await proxy.listen();
  atEnd(() => proxy.close());
  return proxy;
}

type Tamper = (chunk: Buffer) => Buffer | undefined;

export class TamperingProxy {
  port = 0;
  connections = 0;
  /** What becomes of the bytes to the acceptor, and of those to the dialer; undefined drops them. */
  toAcceptor: Tamper = (chunk) => chunk;
  toDialer: Tamper = (chunk) => chunk;
  readonly sockets = new Set<Socket>();
  private readonly server = createServer((near) => this.join(near));

  constructor(private readonly target: number) {}

  listen(): Promise<void> {
    return new Promise((resolve) => {
      this.server.listen(0, '127.0.0.1', () => {
        this.port = (this.server.address() as AddressInfo).port;
        resolve();
      });
    });
  }

  /** Cuts every connection. */
  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  close(): void {
    this.cut();
    this.server.close();
  }

  private join(near: Socket): void {
    this.connections++;
    const far = connectTo(this.target);
    const pipe = (from: Socket, to: Socket, tamper: (chunk: Buffer) => Buffer | undefined): void => {
      this.sockets.add(from);
      from.on('error', () => undefined);
      from.on('close', () => {
        this.sockets.delete(from);
        to.destroy();
      });
      from.on('data', (chunk: Buffer) => {
        const passed = tamper(chunk);
        if (passed !== undefined) to.write(passed);
      });
    };
    pipe(near, far, (chunk) => this.toAcceptor(chunk));
    pipe(far, near, (chunk) => this.toDialer(chunk));
  }
}

function connectTo(port: number): Socket {
  return connect({ port, host: '127.0.0.1', noDelay: true });
}
