/** A new cluster: its description and the private keys that go with it. */
import { randomBytes } from 'node:crypto';
import { SEED_BYTES, SigningKey } from '../crypto/ed25519.js';
import { Limits } from '../limits.js';
import { ALL_OPTIMIZATIONS, type Optimizations } from '../pbft/configuration.js';
import { clusterId } from './id.js';
import type { ClientEntry, Cluster, ReplicaEntry } from './types.js';

export const Defaults = {
  replicas: 4,
  host: '127.0.0.1',
  /** Replica i listens on this + i. */
  basePort: 7400,
  /** 64 GiB. */
  capacityBytes: 64 * 2 ** 30,
  capacityInodes: 4 * 2 ** 20,
} as const;

/** n = 3f+1 for the f we run: 1, 4, 7, 10. */
export const CLUSTER_SIZES: readonly number[] = Array.from({ length: Limits.maxFaults + 1 }, (_, f) => 3 * f + 1);

/** What the members of a cluster agree on beside who they are. */
export interface ClusterOptions {
  rootUid: number;
  rootGid: number;
  createdSeconds: number;
  /** Default: buffered. */
  durability?: Cluster['durability'];
  /** Default: signature. */
  requestAuthentication?: Cluster['requestAuthentication'];
  /** Default: 0, which is never. */
  recoveryPeriodSeconds?: number;
  /** Default: auto. */
  encryption?: Cluster['encryption'];
  /** Default: 0. */
  ownerSignatures?: number;
  /** Optimizations that the cluster does without. */
  without?: readonly (keyof Optimizations)[];
}

export interface NewClusterOptions extends ClusterOptions {
  replicas: number;
  /** One for all replicas, or one for each. */
  hosts: readonly string[];
  basePort: number;
  clientNames: readonly string[];
}

export interface NewCluster {
  cluster: Cluster;
  replicaSeeds: Buffer[];
  clientSeeds: Buffer[];
}

/** Members have their place in the list as their number. */
export function clusterOf(
  replicas: readonly Omit<ReplicaEntry, 'id'>[],
  clients: readonly Omit<ClientEntry, 'id'>[],
  options: ClusterOptions,
): Cluster {
  const { rootUid, rootGid, createdSeconds, without = [] } = options;
  const { durability = 'buffered', requestAuthentication = 'signature' } = options;
  const { recoveryPeriodSeconds = 0, encryption = 'auto', ownerSignatures = 0 } = options;
  const optimizations = { ...ALL_OPTIMIZATIONS };
  for (const name of without) optimizations[name] = false;
  const content: Omit<Cluster, 'id'> = {
    f: (replicas.length - 1) / 3,
    replicas: replicas.map(({ host, port, publicKey }, id) => ({ id, host, port, publicKey })),
    clients: clients.map(({ name, publicKey }, id) => ({ id, name, publicKey })),
    capacityBytes: Defaults.capacityBytes,
    capacityInodes: Defaults.capacityInodes,
    rootUid,
    rootGid,
    createdSeconds,
    durability,
    requestAuthentication,
    recoveryPeriodSeconds,
    encryption,
    ownerSignatures,
    optimizations,
  };
  return { id: clusterId(content), ...content };
}

export const generateSeed = (): Buffer => randomBytes(SEED_BYTES);

const publicKeyOf = (seed: Buffer): Buffer => new SigningKey(seed).publicKey;

/** The caller sees to it that sizes, hosts, ports and names are valid: `parseCluster` would refuse the result. */
export function newCluster(options: NewClusterOptions): NewCluster {
  const { hosts, basePort, clientNames } = options;
  const replicaSeeds = Array.from({ length: options.replicas }, generateSeed);
  const clientSeeds = clientNames.map(generateSeed);
  const replicas = replicaSeeds.map((seed, id) => ({
    host: hosts[hosts.length === 1 ? 0 : id],
    port: basePort + id,
    publicKey: publicKeyOf(seed),
  }));
  const clients = clientSeeds.map((seed, id) => ({ name: clientNames[id], publicKey: publicKeyOf(seed) }));
  return { cluster: clusterOf(replicas, clients, options), replicaSeeds, clientSeeds };
}
