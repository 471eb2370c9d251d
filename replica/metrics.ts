/** A replica's metrics. Labels are few: replicas by id, and reasons of our own; clients have none. */
import type { Cluster } from '../src/cluster/types.js';
import { Metrics } from '../src/metrics/metrics.js';
import type { ReplicaFigures } from './figures.js';

const STATES = ['normal', 'view-change', 'recovering', 'transferring'] as const;

/** @param take undefined: it is being started */
export function replicaMetrics(
  cluster: Cluster,
  id: number,
  take: () => ReplicaFigures | undefined,
): Metrics<ReplicaFigures> {
  const labels = { cluster: cluster.id.toString('hex').slice(0, 16), replica: String(id) };
  const metrics = new Metrics(labels, take);
  metrics.gauge('byzfs_faults_tolerated', 'f: how many replicas may be faulty', () => cluster.f);
  addAgreement(metrics);
  addWork(metrics);
  addLinks(metrics);
  addState(metrics, cluster);
  return metrics;
}

function addAgreement(metrics: Metrics<ReplicaFigures>): void {
  metrics.gauge('byzfs_view', 'View that this replica is in', ({ described }) => described.view);
  metrics.gauge('byzfs_is_primary', 'Whether it orders requests', ({ isPrimary }) => Number(isPrimary));
  metrics.gauge('byzfs_incarnation', 'Times that the group began anew', ({ described }) => described.incarnation);
  metrics.gauge(
    'byzfs_replica_state',
    '1 for the condition that this replica is in',
    ({ described }) => STATES.map((state) => [{ state }, Number(described.state === state)] as const),
    ['state'],
  );
  metrics.gauge('byzfs_last_executed_sequence', 'Last batch executed', ({ described }) => described.lastExecuted);
  metrics.gauge(
    'byzfs_stable_checkpoint_sequence',
    'Last checkpoint that 2f+1 replicas have signed',
    ({ described }) => described.stableCheckpoint,
  );
  metrics.counter('byzfs_view_changes_total', 'Views that it left', ({ tally }) => tally.viewChanges);
  metrics.gauge(
    'byzfs_suspected_peer',
    'Whether this replica takes that one to be faulty',
    ({ described, peers }) =>
      peers.map(
        ({ replica: peer }) => [{ peer }, Number(described.suspicions.some((each) => each.replica === peer))] as const,
      ),
    ['peer'],
  );
  metrics.counter(
    'byzfs_rejected_messages_total',
    'What was refused of that which another replica sent',
    ({ described }) =>
      described.rejectedFrom.map(({ replica, reason, count }) => [{ peer: replica, reason }, count] as const),
    ['peer', 'reason'],
  );
}

function addWork(metrics: Metrics<ReplicaFigures>): void {
  metrics.counter('byzfs_batches_total', 'Batches executed', ({ tally }) => tally.batches);
  metrics.counter(
    'byzfs_calls_total',
    'Calls executed: ordered, or read at once',
    ({ tally }) => [
      [{ kind: 'ordered' }, tally.calls],
      [{ kind: 'read' }, tally.reads],
    ],
    ['kind'],
  );
  metrics.histogram('byzfs_batch_calls', 'Calls of one batch', ({ tally }) => tally.batchCalls);
  metrics.histogram(
    'byzfs_request_duration_seconds',
    "From a request's arrival here to the answer of this replica, of one request at a time",
    ({ latency }) => latency,
  );
}

function addLinks(metrics: Metrics<ReplicaFigures>): void {
  const peers = ['peer'];
  const counted = ['peer', 'direction'];
  metrics.gauge(
    'byzfs_peer_linked',
    'Whether there is a link to that replica',
    (figures) => figures.peers.map(({ replica, linked }) => [{ peer: replica }, Number(linked)] as const),
    peers,
  );
  for (const [unit, name] of [
    ['messages', 'Messages'],
    ['bytes', 'Bytes of messages'],
  ] as const) {
    metrics.counter(
      `byzfs_peer_${unit}_total`,
      `${name} from and to that replica`,
      (figures) =>
        figures.peers.flatMap(({ replica: peer, sent, received }) => [
          [{ peer, direction: 'sent' }, sent[unit]] as const,
          [{ peer, direction: 'received' }, received[unit]] as const,
        ]),
      counted,
    );
  }
  metrics.counter(
    'byzfs_link_bytes_total',
    'Bytes over all links, those of clients included',
    ({ net }) => [
      [{ direction: 'sent' }, net.sent.bytes],
      [{ direction: 'received' }, net.received.bytes],
    ],
    ['direction'],
  );
  metrics.gauge('byzfs_client_links', 'Links of clients', ({ clientLinks }) => clientLinks);
  const byReason = (counts: Record<string, number>) =>
    Object.entries(counts).map(([reason, count]) => [{ reason }, count] as const);
  metrics.counter(
    'byzfs_dropped_messages_total',
    'Messages that could not be decoded, or not be from who sent them',
    ({ net }) => byReason(net.droppedMessages),
    ['reason'],
  );
  metrics.counter(
    'byzfs_refused_connections_total',
    'Connections that did not become links',
    ({ net }) => byReason(net.refusedConnections),
    ['reason'],
  );
  metrics.counter('byzfs_closed_links_total', 'Links that ended', ({ net }) => byReason(net.closedLinks), ['reason']);
}

function addState(metrics: Metrics<ReplicaFigures>, { capacityBytes, capacityInodes }: Cluster): void {
  metrics.gauge('byzfs_state_used_bytes', 'Space that files take', ({ state }) => state.usedBytes);
  metrics.gauge('byzfs_state_capacity_bytes', 'Space that there is', () => capacityBytes);
  metrics.gauge('byzfs_state_used_inodes', 'Inodes in use', ({ state }) => state.usedInodes);
  metrics.gauge('byzfs_state_capacity_inodes', 'Inodes that there may be', () => capacityInodes);
  metrics.gauge('byzfs_journal_bytes', 'Journal on the disk', ({ journalBytes }) => journalBytes);
  metrics.counter(
    'byzfs_transfers_total',
    'State transfers completed',
    ({ described }) => described.transferred.transfers,
  );
  metrics.counter('byzfs_transfer_rows_total', 'Rows that they brought', ({ described }) => described.transferred.rows);
  metrics.counter(
    'byzfs_transfer_bytes_total',
    'Bytes that they brought',
    ({ described }) => described.transferred.bytes,
  );
  metrics.gauge('byzfs_transfer_active', 'Whether one is under way', ({ described }) =>
    Number(described.transfer !== null),
  );
  metrics.gauge(
    'byzfs_transfer_done_rows',
    'Rows that it has brought',
    ({ described }) => described.transfer?.rows ?? 0,
  );
  metrics.gauge(
    'byzfs_transfer_missing_rows',
    'Rows that are known to be missing yet',
    ({ described }) => described.transfer?.rowsMissing ?? 0,
  );
  metrics.counter('byzfs_scrub_passes_total', 'Passes over the whole state', ({ scrub }) => scrub.passes);
  metrics.counter('byzfs_scrub_damaged_rows_total', 'Rows that the disk altered', ({ scrub }) => scrub.damaged);
  metrics.counter('byzfs_scrub_repaired_rows_total', 'Of these, rows made good', ({ scrub }) => scrub.repaired);
  metrics.gauge(
    'byzfs_scrub_last_pass_timestamp_seconds',
    'When the last pass was completed; 0 before the first',
    ({ scrub }) => (scrub.lastPass ?? 0) / 1000,
  );
  metrics.counter('byzfs_recoveries_total', 'Proactive recoveries completed', ({ recovery }) => recovery.completed);
  metrics.counter(
    'byzfs_recovery_missed_turns_total',
    'Turns to recover that passed because too few others were fit',
    ({ recovery }) => recovery.missed,
  );
}
