/** A mount's metrics. Labels are few: operations, reasons of our own, and replicas by id. */
import type { ClientHealth } from '../src/client/connect.js';
import type { Cluster } from '../src/cluster/types.js';
import { Metrics } from '../src/metrics/metrics.js';
import type { NetCounters } from '../src/net/counters.js';
import type { CallFailure } from './call-figures.js';
import type { MountFigures } from './mount.js';

const FAILURES: readonly CallFailure[] = ['deadline', 'session-lost', 'revoked', 'closed', 'not-understood'];

interface Snapshot extends MountFigures {
  health: ClientHealth;
  net: NetCounters;
}

/** What is counted by the client that a mount speaks through. */
export interface MeasuredClient {
  health(): ClientHealth;
  readonly net: NetCounters;
}

/** @param take undefined: it is not mounted yet */
export function mountMetrics(
  cluster: Cluster,
  client: string,
  service: MeasuredClient,
  take: () => MountFigures | undefined,
): Metrics<Snapshot> {
  const metrics = new Metrics<Snapshot>({ cluster: cluster.id.toString('hex').slice(0, 16), client }, () => {
    const figures = take();
    return figures && { ...figures, health: service.health(), net: service.net };
  });
  addCalls(metrics);
  addKernel(metrics);
  addReplicas(metrics, cluster);
  return metrics;
}

function addCalls(metrics: Metrics<Snapshot>): void {
  metrics.histogram('byzfs_mount_call_duration_seconds', 'Calls of the service that were answered', ({ service }) =>
    [...service.answered].map(([op, histogram]) => [{ op }, histogram] as const),
  );
  metrics.counter(
    'byzfs_mount_failed_calls_total',
    'Calls without an answer, which are EIO or, once revoked, EACCES',
    ({ service }) => FAILURES.map((reason) => [{ reason }, service.failed.get(reason) ?? 0] as const),
    ['reason'],
  );
  metrics.counter(
    'byzfs_mount_doubtful_changes_total',
    'Changes not answered that may be executed yet',
    ({ service }) => service.inDoubt,
  );
  metrics.counter(
    'byzfs_mount_outages_total',
    'Times that calls began to go unanswered',
    ({ service }) => service.outages,
  );
  metrics.gauge('byzfs_mount_outage', 'Whether calls go unanswered now', ({ isOut }) => Number(isOut));
  metrics.counter(
    'byzfs_mount_sessions_lost_total',
    'Sessions lost, with what was not synced',
    ({ sessionsLost }) => sessionsLost,
  );
  metrics.gauge('byzfs_mount_outstanding_calls', 'Calls sent and not answered', ({ health }) => health.outstanding);
  metrics.gauge(
    'byzfs_mount_unsent_files',
    'Files with changes that are not sent yet',
    ({ unsentFiles }) => unsentFiles,
  );
}

function addKernel(metrics: Metrics<Snapshot>): void {
  const byRequest = (counts: Record<string, number>) =>
    Object.entries(counts).map(([request, count]) => [{ request: request.toLowerCase() }, count] as const);
  metrics.counter(
    'byzfs_mount_kernel_requests_total',
    'Requests of the kernel',
    ({ kernel }) => byRequest(kernel.requests),
    ['request'],
  );
  metrics.counter(
    'byzfs_mount_cache_hits_total',
    'Of these, what was answered from memory',
    ({ kernel }) => byRequest(kernel.fromMemory),
    ['request'],
  );
  metrics.counter(
    'byzfs_mount_dropped_notifications_total',
    'Times that the kernel was not told to forget something',
    ({ kernel }) => kernel.droppedNotifications,
  );
}

function addReplicas(metrics: Metrics<Snapshot>, { replicas }: Cluster): void {
  metrics.gauge(
    'byzfs_mount_replica_linked',
    'Whether there is a link to that replica',
    ({ health }) => replicas.map(({ id }) => [{ peer: id }, Number(health.linked.includes(id))] as const),
    ['peer'],
  );
  metrics.gauge('byzfs_mount_incarnation', 'Times that the group began anew', ({ health }) => health.incarnation ?? 0);
  metrics.counter(
    'byzfs_mount_retransmissions_total',
    'Requests sent again',
    ({ health }) => health.counters.retransmissions,
  );
  metrics.counter(
    'byzfs_mount_ordered_reads_total',
    'Reads that found no quorum at once',
    ({ health }) => health.counters.orderedReads,
  );
  metrics.counter(
    'byzfs_mount_disagreements_total',
    'Calls whose answer another replica contradicted',
    ({ health }) => health.counters.disagreements,
  );
  metrics.counter(
    'byzfs_mount_link_bytes_total',
    'Bytes over the links with all replicas',
    ({ net }) => [
      [{ direction: 'sent' }, net.sent.bytes],
      [{ direction: 'received' }, net.received.bytes],
    ],
    ['direction'],
  );
}
