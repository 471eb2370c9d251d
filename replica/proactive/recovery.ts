/**
 * Proactive recovery (TOCS '02 §5): from time to time a replica ends, though nothing is known to be wrong with it, and
 * another process takes its place: with keys of its own, and a state that it has compared with the certified one.
 */
import type { Logger } from 'pino';
import type { Cluster } from '../../src/cluster/types.js';
import type { ReplicaId } from '../../src/pbft/messages.js';
import type { Replica } from '../../src/pbft/replica.js';
import type { EpochRecord } from './epoch.js';
import type { Peers } from './peers.js';
import { overran, turnAt } from './schedule.js';

/** A primary ends once the others have another, or after that time. */
const HANDOVER_MS = 2_000;

export interface RecoveryOptions {
  cluster: Pick<Cluster, 'f' | 'recoveryPeriodSeconds'>;
  id: ReplicaId;
  /** What is on record of this process, and of the recoveries before it. */
  started: EpochRecord;
  /** Whether whoever started this process starts another when it ends, and whether this is such another. */
  kept: 'first' | 'recovering' | undefined;
  replica: Pick<Replica, 'describe' | 'announceRecovery' | 'stateDamaged'>;
  peers: Pick<Peers, 'fit'>;
  log: Pick<Logger, 'info'>;
  /** Puts a completed recovery on record. */
  record(completed: EpochRecord): void;
  /** The replica may have something to say. */
  changed(): void;
  /** It is time to end, for another process to begin. */
  end(): void;
}

/** In `byzfs status --json`. */
export interface RecoveryStatus {
  /**
   * `resting` until its turn, `leaving` while it hands over, and then, in another process, `checking` its state: from when
   * it leaves until it has checked it counts as one of the f.
   */
  phase: 'resting' | 'leaving' | 'checking';
  /** Since the replica was made. */
  completed: number;
  /** When the last was completed, milliseconds since 1970; null if none was. */
  last: number | null;
  /** Turns of this process that passed because too few of the others were fit. */
  missed: number;
}

export class ProactiveRecovery {
  private readonly n: number;
  private readonly periodMs: number;
  private phase: RecoveryStatus['phase'];
  private onRecord: EpochRecord;
  /** The round of its last turn that is dealt with. */
  private round: number | undefined;
  private missed = 0;
  private leavingSince = 0;
  private distrusted = false;

  /** @param nowMs milliseconds since 1970 */
  constructor(
    private readonly options: RecoveryOptions,
    nowMs: number,
  ) {
    const { cluster, id, kept, started } = options;
    this.n = 3 * cluster.f + 1;
    this.periodMs = kept === undefined ? 0 : cluster.recoveryPeriodSeconds * 1000;
    this.onRecord = started;
    this.phase = kept === 'recovering' ? 'checking' : 'resting';
    if (this.phase === 'checking') options.replica.announceRecovery(true);
    if (this.periodMs === 0) return;
    // Who has just been started does not end in the same turn.
    const { replica, round } = turnAt(this.n, this.periodMs, nowMs);
    if (replica === id) this.round = round;
  }

  get status(): RecoveryStatus {
    const { recoveries, recoveredAt } = this.onRecord;
    return {
      phase: this.phase,
      completed: recoveries,
      last: recoveredAt === 0 ? null : recoveredAt,
      missed: this.missed,
    };
  }

  /** To be called a few times a second. */
  tick(nowMs: number): void {
    if (this.phase === 'checking') this.check(nowMs);
    else if (this.phase === 'leaving') this.leave(nowMs);
    else if (this.periodMs > 0) this.rest(nowMs);
  }

  private rest(nowMs: number): void {
    const { cluster, id, replica, peers, log } = this.options;
    const turn = turnAt(this.n, this.periodMs, nowMs);
    if (turn.replica !== id || turn.round === this.round) return;
    if (overran(turn, this.n, this.periodMs, this.onRecord.recoveredAt)) {
      this.round = turn.round;
      log.info(
        { recoveredAt: this.onRecord.recoveredAt },
        'lets its turn pass: the last recovery went on into the next one’s',
      );
      return;
    }
    if (!turn.open) {
      this.round = turn.round;
      this.missed++;
      return;
    }
    // This replica is one of the f itself: it leaves f − 1 of the others to be otherwise.
    const needed = this.n - cluster.f;
    const { state, view, lastExecuted } = replica.describe();
    if (state !== 'normal' || peers.fit(view, lastExecuted, nowMs) < needed) return;
    log.info({ view }, 'recovers: its turn has come');
    this.phase = 'leaving';
    this.leavingSince = nowMs;
    this.announce(true);
  }

  /** The others give up a primary that says it recovers. */
  private leave(nowMs: number): void {
    const { id, replica, log, end } = this.options;
    const { view, state } = replica.describe();
    const leads = view % this.n === id || state === 'view-change';
    if (leads && nowMs - this.leavingSince < HANDOVER_MS) return;
    log.info({ view }, 'recovers: ends, for another process to take its place');
    end();
  }

  /** Reads the whole state, and takes from the others what is not as 2f+1 have signed it. */
  private check(nowMs: number): void {
    const { replica, changed, record, log } = this.options;
    const { state, stateRoot } = replica.describe();
    if (state !== 'normal') return;
    if (!this.distrusted && stateRoot !== null) {
      this.distrusted = true;
      replica.stateDamaged();
      return changed();
    }
    this.onRecord = { ...this.onRecord, recoveries: this.onRecord.recoveries + 1, recoveredAt: nowMs };
    record(this.onRecord);
    log.info({ completed: this.onRecord.recoveries }, 'has recovered: its state is the certified one');
    this.phase = 'resting';
    this.announce(false);
  }

  private announce(recovers: boolean): void {
    this.options.replica.announceRecovery(recovers);
    this.options.changed();
  }
}
