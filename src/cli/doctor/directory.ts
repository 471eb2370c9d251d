/** What is in a cluster directory, and what runs of it here. */
import { existsSync, statfsSync } from 'node:fs';
import { checkClientKey, checkReplicaKey } from '../../cluster/identity.js';
import { layoutOf } from '../../cluster/layout.js';
import type { Cluster } from '../../cluster/types.js';
import { oneLine } from '../errors.js';
import { clientsHere } from '../local-clients.js';
import { canListen, localReplicas } from '../local-replicas.js';
import { describeTakenPort } from '../proc.js';
import { runningReplica } from '../processes.js';
import { type Finding, failed, ok, warning } from './finding.js';

/** Below this a replica that grows may soon stop: it stops itself when its disk is full. */
const SPARE_BYTES = 2 ** 30;
const SPARE_INODES = 1000;

export async function examineDirectory(directory: string, cluster: Cluster): Promise<Finding[]> {
  return [
    ok(`cluster.json: ${cluster.replicas.length} replicas, f = ${cluster.f}, digest ${cluster.id.toString('hex')}`),
    ...keys(directory, cluster),
    ...(await replicas(directory, cluster)),
    ...disk(directory),
  ];
}

/** Keys that are here must be right; that some are elsewhere is how it should be. */
function keys(directory: string, cluster: Cluster): Finding[] {
  const layout = layoutOf(directory);
  const check = (file: string, isEncrypted: () => boolean): Finding[] => {
    if (!existsSync(file)) return [];
    const name = file.slice(directory.length + 1);
    try {
      return [ok(`${name}${isEncrypted() ? ', encrypted' : ''}`)];
    } catch (error) {
      return [failed(oneLine(error))];
    }
  };
  return [
    ...cluster.replicas.flatMap(({ id }) =>
      check(layout.replicaKey(id), () => checkReplicaKey(directory, cluster, id)),
    ),
    ...clientsHere(directory).flatMap((name) =>
      check(layout.clientKey(name), () => checkClientKey(directory, cluster, name)),
    ),
  ];
}

async function replicas(directory: string, cluster: Cluster): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { id, host, port } of await localReplicas(directory, cluster)) {
    const pid = runningReplica(directory, id);
    if (pid !== null) findings.push(ok(`replica-${id} runs (pid ${pid})`));
    else if (!existsSync(layoutOf(directory).replica(id))) {
      findings.push(
        failed(`replica-${id} has no state, and never starts empty by itself: if its disk was lost, --rejoin`),
      );
    } else if (await canListen(host, port)) {
      findings.push(warning(`replica-${id} does not run; ${host}:${port} is free`));
    } else findings.push(failed(`replica-${id} does not run: ${describeTakenPort(port)}`));
  }
  return findings;
}

function disk(directory: string): Finding[] {
  const { bavail, bsize, files, ffree } = statfsSync(directory);
  const free = bavail * bsize;
  const shown = `${(free / 2 ** 30).toFixed(1)} GiB free for ${directory}`;
  const space =
    free < SPARE_BYTES ? failed(`${shown}: replicas stop themselves when it is full: make room`) : ok(shown);
  // Some file systems do not count them.
  if (files === 0 || ffree >= SPARE_INODES) return [space];
  return [space, failed(`${ffree} inodes free for ${directory}: replicas stop themselves when there are none`)];
}
