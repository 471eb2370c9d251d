/**
 * Where things are in a cluster's directory. `replica-N/` holds state and journal only: deleting it loses no
 * identity. Names here are a contract: scripts rely on them.
 */
import { join } from 'node:path';

export const CLUSTER_FILE = 'cluster.json';

export interface Layout {
  directory: string;
  clusterFile: string;
  keys: string;
  clients: string;
  run: string;
  replicaKey(id: number): string;
  /** Of a replica that has no number yet. */
  cardKey(name: string): string;
  clientKey(name: string): string;
  /** Of a client that was registered later: its number. */
  clientRecord(name: string): string;
  /** State and journal of one replica. */
  replica(id: number): string;
  replicaPid(id: number): string;
  replicaLog(id: number): string;
  /** Pid of the `byzfs up` that supervises this directory's processes. */
  supervisorPid: string;
}

export function layoutOf(directory: string): Layout {
  const keys = join(directory, 'keys');
  const clients = join(directory, 'clients');
  const run = join(directory, 'run');
  return {
    directory,
    clusterFile: join(directory, CLUSTER_FILE),
    keys,
    clients,
    run,
    replicaKey: (id) => join(keys, `replica-${id}.key`),
    cardKey: (name) => join(keys, `${name}.key`),
    clientKey: (name) => join(clients, `${name}.key`),
    clientRecord: (name) => join(clients, `${name}.json`),
    replica: (id) => join(directory, `replica-${id}`),
    replicaPid: (id) => join(run, `replica-${id}.pid`),
    replicaLog: (id) => join(run, `replica-${id}.log`),
    supervisorPid: join(run, 'up.pid'),
  };
}
