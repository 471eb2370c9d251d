/** Asks the replicas what they say of themselves, and judges it. */
import type { Cluster } from '../cluster/types.js';
import { type Answer, type ClusterStatus, judge } from '../status/verdicts.js';

/** Asks one replica; null if it gave no answer in time. */
export type Inspect = (replica: number, timeoutMs: number) => Promise<unknown>;

/** @param answers by replica: what each reported of itself, null if nothing */
export function clusterStatus({ id, f, replicas }: Cluster, answers: readonly unknown[]): ClusterStatus {
  const given = replicas.map(({ id: replica }): Answer => {
    const report = answers[replica];
    return report === null || report === undefined ? { kind: 'silence' } : { kind: 'report', report };
  });
  return judge({ cluster: id.toString('hex'), f }, given);
}

/** Asks all replicas at once. */
export async function inspectAll(cluster: Cluster, inspect: Inspect, timeoutMs: number): Promise<ClusterStatus> {
  const reports = await Promise.all(cluster.replicas.map(({ id }) => inspect(id, timeoutMs).catch(() => null)));
  return clusterStatus(cluster, reports);
}
