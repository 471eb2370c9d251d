/** How the replicas are, as seen from here. */
import { connect } from 'node:net';
import type { Cluster, ReplicaEntry } from '../../cluster/types.js';
import { oneLine } from '../errors.js';
import { clientToAskAs } from '../local-clients.js';
import { clockFaults, type ObservedStatus } from '../observer.js';
import { clusterStatusOf } from '../status.js';
import { type Finding, failed, ok, warning } from './finding.js';

const CONNECT_MS = 3000;

/** Asks them, as a client whose key is here; where none is, only whether they can be reached. */
export async function examineReplicas(directory: string, cluster: Cluster): Promise<Finding[]> {
  if (clientToAskAs(directory, cluster) === undefined) return Promise.all(cluster.replicas.map(reach));
  let status: ObservedStatus;
  try {
    status = await clusterStatusOf(directory, cluster, false);
  } catch (error) {
    return [
      warning(`the replicas cannot be asked: ${oneLine(error)}`),
      ...(await Promise.all(cluster.replicas.map(reach))),
    ];
  }
  return [...judged(cluster, status), ...clocks(status), quorum(status)];
}

function judged({ replicas }: Cluster, status: ObservedStatus): Finding[] {
  return status.replicas.map(({ id, up, state, suspected, refusal }) => {
    const { host, port } = replicas[id];
    const name = `replica ${id} at ${host}:${port}`;
    if (refusal !== null) return failed(`${name} cannot be linked to: ${refusal}`);
    if (!up) return warning(`${name} does not answer: see whether it runs, and whether a firewall is between`);
    if (suspected !== null) return failed(`${name} is suspected: ${suspected}`);
    return state === 'normal' ? ok(`${name} answers`) : warning(`${name} answers and is not ready: ${state}`);
  });
}

function clocks(status: ObservedStatus): Finding[] {
  const faults = clockFaults(status);
  if (faults.length > 0) return faults.map(({ why }) => failed(why));
  const asked = status.replicas.filter(({ clockOffsetMs }) => clockOffsetMs !== null).length;
  return asked === 0 ? [] : [ok(`the clocks of ${asked} replicas and of this machine agree`)];
}

function quorum({ quorum, f, view }: ObservedStatus): Finding {
  return quorum
    ? ok(`a quorum of ${2 * f + 1} takes part in view ${view}`)
    : failed(`no quorum: ${2 * f + 1} replicas in one view are needed: start those that do not answer`);
}

function reach({ id, host, port }: ReplicaEntry): Promise<Finding> {
  const name = `replica ${id} at ${host}:${port}`;
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: CONNECT_MS });
    const done = (finding: Finding): void => {
      socket.destroy();
      resolve(finding);
    };
    socket.once('connect', () => done(ok(`${name} takes connections; there is no client's key here to ask it by`)));
    socket.once('timeout', () => done(warning(`${name} does not answer: is a firewall between?`)));
    socket.once('error', (error: NodeJS.ErrnoException) => done(warning(`${name} does not answer: ${error.code}`)));
  });
}
