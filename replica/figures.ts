/** What a replica counts, as its metrics read it. */
import type { HistogramFigures } from '../src/histogram.js';
import type { NetCounters } from '../src/net/counters.js';
import type { ReplicaDescription } from '../src/pbft/replica.js';
import type { Tally } from '../src/pbft/tally.js';
import type { RecoveryStatus } from './proactive/recovery.js';
import type { ScrubStatus } from './scrubber.js';
import type { FileStateStatistics } from './state/file-state.js';

/** Encoded messages over the links with one other replica. */
export interface PeerTraffic {
  replica: number;
  linked: boolean;
  sent: { messages: number; bytes: number };
  received: { messages: number; bytes: number };
}

export interface ReplicaFigures {
  described: ReplicaDescription;
  isPrimary: boolean;
  tally: Tally;
  latency: HistogramFigures;
  peers: readonly PeerTraffic[];
  clientLinks: number;
  net: NetCounters;
  scrub: ScrubStatus;
  recovery: RecoveryStatus;
  state: FileStateStatistics;
  journalBytes: number;
}
