/** Asks the replicas what they say of themselves, and judges it. */
import type { Cluster } from '../cluster/types.js';
import { type Answer, type ClusterStatus, judge } from '../status/verdicts.js';

/** Asks one replica; null if it gave no answer in time. */
export type Inspect = (replica: number, timeoutMs: number) => Promise<unknown>;

const answerOf = (report: unknown): Answer =>
  report === null || report === undefined ? { kind: 'silence' } : { kind: 'report', report };

/** @param answers by replica: what each reported of itself, null if nothing */
export function clusterStatus({ id, f, replicas }: Cluster, answers: readonly unknown[]): ClusterStatus {
  const given = replicas.map((replica) => answerOf(answers[replica.id]));
  return judge({ cluster: id.toString('hex'), f }, given);
}

/** Asks all replicas at once. */
export const askAll = ({ replicas }: Cluster, inspect: Inspect, timeoutMs: number): Promise<Answer[]> =>
  Promise.all(replicas.map(({ id }) => inspect(id, timeoutMs).then(answerOf, () => answerOf(null))));

export async function inspectAll(cluster: Cluster, inspect: Inspect, timeoutMs: number): Promise<ClusterStatus> {
  const { id, f } = cluster;
  return judge({ cluster: id.toString('hex'), f }, await askAll(cluster, inspect, timeoutMs));
}
