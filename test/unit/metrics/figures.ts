/** Processes to which everything has happened that is counted, and so have a sample of every metric. */
import { CallFigures } from '../../../fs-client/call-figures.js';
import { mountMetrics } from '../../../fs-client/metrics.js';
import type { MountFigures } from '../../../fs-client/mount.js';
import type { ReplicaFigures } from '../../../replica/figures.js';
import { replicaMetrics } from '../../../replica/metrics.js';
import { newCluster } from '../../../src/cluster/create.js';
import { Histogram, LATENCY_BOUNDS } from '../../../src/histogram.js';
import { newCounters } from '../../../src/net/counters.js';
import { Tally } from '../../../src/pbft/tally.js';

export const { cluster } = newCluster({
  ...{ replicas: 4, hosts: ['127.0.0.1'], basePort: 7400, clientNames: ['admin', 'mount'] },
  ...{ rootUid: 0, rootGid: 0, createdSeconds: 0 },
});

export function replicaFigures(): ReplicaFigures {
  const latency = new Histogram(LATENCY_BOUNDS);
  for (const seconds of [0.0001, 0.003, 0.003, 60]) latency.add(seconds);
  const traffic = { sent: { messages: 3, bytes: 300 }, received: { messages: 4, bytes: 400 } };
  const net = newCounters();
  Object.assign(net.droppedMessages, { malformed: 1 });
  Object.assign(net.refusedConnections, { busy: 2 });
  Object.assign(net.closedLinks, { silent: 3 });
  return {
    described: {
      ...{ incarnation: 1, view: 6, lastExecuted: 300, stableCheckpoint: 256, settled: 256, stateRoot: 'ab' },
      ...{ state: 'transferring', logEntries: 5, rejected: { nonsense: 7 } },
      transfer: { sequence: 512, rows: 10, rowsMissing: 20, nodes: 1, nodesMissing: 2, bytes: 3000 },
      transferred: { transfers: 2, rows: 30, nodes: 4, bytes: 5000 },
      rejectedFrom: [{ replica: 3, reason: 'two "pre-prepares"\nfor one \\ number', count: 7 }],
      suspicions: [{ replica: 3, why: 'two pre-prepares for one number' }],
    },
    ...{
      isPrimary: true,
      tally: Object.assign(new Tally(), { batches: 9, calls: 90, reads: 10, viewChanges: 6 }),
      latency,
    },
    peers: [1, 2, 3].map((replica) => ({ replica, linked: replica !== 3, ...traffic })),
    ...{ clientLinks: 2, net },
    scrub: { rows: 900, damaged: 3, repaired: 2, lastPass: 1_700_000_000_000, passes: 4, asked: false, current: null },
    recovery: { phase: 'resting', completed: 5, last: 1_700_000_000_000, missed: 1 },
    state: { ...{ committed: 1, checkpointed: 1, touchedRows: 1 }, usedBytes: 4096, usedInodes: 12, discardedBytes: 0 },
    journalBytes: 123_456,
  };
}

export function mountFigures(): MountFigures {
  const service = new CallFigures();
  service.took('read', 4);
  service.took('write', 40);
  service.failedFor('deadline');
  return {
    ...{ calls: { read: 1, write: 1 }, sessionsLost: 1, service, isOut: true, unsentFiles: 2 },
    kernel: { requests: { LOOKUP: 5 }, fromMemory: { LOOKUP: 3 }, notifications: 1, droppedNotifications: 1 },
  };
}

const HEALTH = {
  ...{ linked: [0, 1, 2], outstanding: 3, incarnation: 1 },
  counters: { retransmissions: 4, orderedReads: 5, lateRepliers: 6, disagreements: 7, sessions: 1, incarnations: 1 },
};

export const replicaExposition = async (): Promise<string> =>
  (await replicaMetrics(cluster, 0, replicaFigures).text())!.body;

export const mountExposition = async (): Promise<string> =>
  (await mountMetrics(cluster, 'mount', { health: () => HEALTH, net: newCounters() }, mountFigures).text())!.body;
