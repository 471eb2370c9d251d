import type { Cluster, Identity, Role } from '../cluster/types.js';
import { SigningKey, VerifyingKey } from '../crypto/ed25519.js';
import { Signables } from '../crypto/signables.js';
import type { Decoding } from '../wire/codec.js';
import { type NetCounters, newCounters } from './counters.js';
import { Epochs } from './epochs.js';
import type { LinkHandler } from './link-handler.js';
import { Paces } from './pace.js';

/** Periods and limits of links. Milliseconds, bytes or counts, as the name says. */
export interface NetTimings {
  /** From the connection's opening until both ends are authenticated. */
  handshakeMs: number;
  /** A link that sent nothing for that long shows that it is there … */
  heartbeatMs: number;
  /** … and one that received nothing for so many heartbeats is closed: its peer may be gone without a word. */
  silentHeartbeats: number;
  /** Session keys are replaced after this time … */
  rekeyMs: number;
  /** … or this many bytes in both directions. */
  rekeyBytes: number;
  /** For how long the authenticator key before the current one is accepted. */
  graceMs: number;
  /** Back-off of a dialer: from the first failure, doubling up to the last, each shortened at random by up to a half. */
  firstRetryMs: number;
  lastRetryMs: number;
}

export const NET_TIMINGS: NetTimings = {
  handshakeMs: 5_000,
  heartbeatMs: 2_000,
  silentHeartbeats: 5,
  rekeyMs: 300_000,
  rekeyBytes: 2 ** 33,
  graceMs: 30_000,
  firstRetryMs: 50,
  lastRetryMs: 2_000,
};

/** What all links of one process share. */
export interface NetContext {
  readonly cluster: Cluster;
  readonly role: Role;
  readonly id: number;
  /** Of this process, if it is a replica's: higher than that of any before it. */
  readonly epoch: number;
  readonly epochs: Epochs;
  readonly signables: Signables;
  readonly decoding: Decoding;
  readonly signingKey: SigningKey;
  /** The key registered for that replica or client; undefined for one that is none. */
  keyOf(role: Role, id: number): VerifyingKey | undefined;
  readonly handler: LinkHandler;
  readonly paces: Paces;
  readonly timings: NetTimings;
  readonly counters: NetCounters;
}

export interface NetOptions {
  cluster: Cluster;
  identity: Identity;
  handler: LinkHandler;
  /** Of a replica; default 0. */
  epoch?: number;
  /** The key of a client that is registered; default: those in the cluster file are. */
  clientKey?: (client: number) => VerifyingKey | undefined;
  /** Calls a second that are read of a client; default: as many as come. */
  clientRate?: (client: number) => number | undefined;
  /** Those given replace those of NET_TIMINGS. */
  timings?: Partial<NetTimings>;
}

/** Of the clients in the cluster file. */
export function keysIn({ clients }: Cluster): (client: number) => VerifyingKey | undefined {
  const keys = new Map(clients.map(({ id, publicKey }) => [id, new VerifyingKey(publicKey)]));
  return (client) => keys.get(client);
}

export function createContext(options: NetOptions): NetContext {
  const {
    cluster,
    identity,
    handler,
    epoch = 0,
    clientKey = keysIn(cluster),
    clientRate = () => undefined,
    timings,
  } = options;
  const signables = new Signables(cluster.id);
  const replicaKeys = new Map(cluster.replicas.map(({ id, publicKey }) => [id, new VerifyingKey(publicKey)]));
  return {
    cluster,
    role: identity.role,
    id: identity.id,
    epoch,
    epochs: new Epochs(),
    signables,
    decoding: { n: cluster.replicas.length, signables },
    signingKey: new SigningKey(identity.seed),
    keyOf: (role, id) => (role === 'replica' ? replicaKeys.get(id) : clientKey(id)),
    handler,
    paces: new Paces(clientRate),
    timings: { ...NET_TIMINGS, ...timings },
    counters: newCounters(),
  };
}
