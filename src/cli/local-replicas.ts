/** The replicas of a cluster that belong on this machine. */
import { lookup } from 'node:dns/promises';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { layoutOf } from '../cluster/layout.js';
import type { Cluster, ReplicaEntry } from '../cluster/types.js';

async function isHere(host: string): Promise<boolean> {
  const own = new Set(Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address)));
  try {
    const addresses = await lookup(host, { all: true });
    return addresses.some(({ address }) => own.has(address) || address.startsWith('127.') || address === '::1');
  } catch {
    return false;
  }
}

/** Those whose host is this machine and whose key this directory has. */
export async function localReplicas(directory: string, cluster: Cluster): Promise<ReplicaEntry[]> {
  const here = await Promise.all(cluster.replicas.map(({ host }) => isHere(host)));
  return cluster.replicas.filter(({ id }) => here[id] && existsSync(layoutOf(directory).replicaKey(id)));
}

/** Whether a process could listen there now. Addresses of other machines count as free: that is for them to say. */
export function canListen(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'EADDRINUSE'));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
