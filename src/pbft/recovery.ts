import { Limits } from '../limits.js';
import type { Checkpointing } from './checkpointing.js';
import type { Core } from './core.js';
import type { Execution } from './execution.js';
import type { QueryStable, ReplicaId, ReplyStable, SequenceNumber, Status, View } from './messages.js';
import type { NormalCase } from './normal-case.js';

/** QUERY-STABLE goes out this often until the estimate stands. */
const QUERY_MS = 150;
/** Checkpoints are made for the sake of one recovering replica this often: it may only say that it recovers. */
const FILL_MS = 10_000;

/** What one replica reported: of several answers the least, and the most, of each figure. */
interface Reported {
  least: { checkpoint: SequenceNumber; view: View };
  most: { prepared: SequenceNumber; view: View };
}

/**
 * How a replica comes back that may have forgotten what it said (DESIGN 3.12): its disk is new, or lost power with votes on
 * it that were not flushed. It says nothing until it cannot contradict itself: until it has a stable checkpoint at or
 * above all that it can have voted for (TOCS '02 §5.2, the estimation protocol), and afterwards only in views above all
 * that it can have asked for.
 *
 * The paper changes keys, so that view-changes from before are worth nothing. Here they are signed, and valid for ever:
 * one that it sent for view w says nothing of what is ordered later, and must not meet votes of its own in views
 * below w. Its first w − 1 views had begun, or were asked for, at f+1 correct others, who tell of it.
 */
export class Recovery {
  private readonly reported = new Map<ReplicaId, Reported>();
  /** It voted in no view above this one, and asked for none but the next; undefined until it is estimated. */
  private lastView: View | undefined;
  /** Others wait for checkpoints up to here, as they said at that time. */
  private readonly waiting: { awaited: SequenceNumber; since: number }[] = [];
  private queriedAt = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly core: Core,
    private readonly execution: Execution,
    private readonly checkpointing: Checkpointing,
    private readonly normalCase: NormalCase,
    /** A number that no earlier life of this replica used: answers to another are too old. */
    private readonly life: number,
    private readonly onRecovered: () => void,
  ) {}

  /**
   * What this replica signed and has no record of has come back to it: from now on it is one whose disk was lost. What it
   * forgot it had said before this life, so that whatever was reported in it is good.
   */
  begin(): void {
    const { core } = this;
    if (core.diskLost) return;
    Object.assign(core, { recovering: true, diskLost: true, awaited: 0 });
    this.lastView = undefined;
    core.outbox.fallSilent();
    core.outbox.persist({ kind: 'recovering', diskLost: true });
    core.outbox.flush();
  }

  tick(): void {
    const { core } = this;
    if (!core.recovering) return;
    this.finish();
    if (this.lastView !== undefined || core.now - this.queriedAt < QUERY_MS) return;
    this.queriedAt = core.now;
    core.outbox.send('replicas', { kind: 'query-stable', life: this.life });
  }

  /** Whoever may have forgotten something itself has nothing to say. */
  onQuery({ life }: QueryStable, from: ReplicaId): void {
    const { core, checkpointing, execution } = this;
    if (core.recovering || !core.decided) return core.outbox.reject('query while recovering');
    let lastPrepared = execution.lastCommitted;
    for (const entry of core.log.inOrder(lastPrepared + 1)) {
      if (entry.lastPrepared !== undefined) lastPrepared = entry.sequence;
    }
    const lastCheckpoint = Math.max(checkpointing.lastVoted, checkpointing.certified);
    core.outbox.send(from, { kind: 'reply-stable', life, lastCheckpoint, lastPrepared, view: core.view });
  }

  /**
   * A peer waits for a checkpoint. An idle cluster makes none, so its primary makes one of batches without requests, as in
   * the paper it orders null requests.
   */
  onStatus({ recovering, awaited }: Status, from: ReplicaId): void {
    const { core, checkpointing, waiting } = this;
    if (!recovering || awaited <= checkpointing.certified || !core.log.recordable(awaited)) return;
    const before = waiting[from];
    if (before !== undefined && before.awaited !== awaited && core.now - before.since < FILL_MS) return;
    if (before?.awaited !== awaited) waiting[from] = { awaited, since: core.now };
    this.normalCase.fill(awaited);
  }

  onReply({ life, lastCheckpoint, lastPrepared, view }: ReplyStable, from: ReplicaId): void {
    const { core } = this;
    if (!core.recovering || this.lastView !== undefined) return;
    if (life !== this.life) return core.outbox.reject('answer to a query of an earlier life');
    const before = this.reported.get(from);
    this.reported.set(from, {
      least: {
        checkpoint: Math.min(lastCheckpoint, before?.least.checkpoint ?? lastCheckpoint),
        view: Math.min(view, before?.least.view ?? view),
      },
      most: {
        prepared: Math.max(lastPrepared, before?.most.prepared ?? lastPrepared),
        view: Math.max(view, before?.most.view ?? view),
      },
    });
    this.tryEstimate();
  }

  /**
   * c_M is a value c that some replica reported, such that
   *   1. 2f others reported no more: among these 2f+1 is a correct one of any 2f+1 who made a checkpoint stable, so that no
   *      checkpoint above c_M can have been stable here;
   *   2. f others prepared as much: a correct replica got there, so that this one will.
   * The view is estimated alike.
   */
  private tryEstimate(): void {
    const reports = [...this.reported.values()];
    const checkpoint = this.bound(
      reports.map(({ least }) => least.checkpoint),
      reports.map(({ most }) => most.prepared),
    );
    const view = this.bound(
      reports.map(({ least }) => least.view),
      reports.map(({ most }) => most.view),
    );
    if (checkpoint === undefined || view === undefined) return;
    // H_M = c_M + L: above it nothing was within its water marks. The first of an incarnation lie above no checkpoint.
    const highest = checkpoint + Limits.logSize;
    this.core.awaited = Math.ceil(highest / Limits.checkpointInterval) * Limits.checkpointInterval;
    this.lastView = view;
    this.finish();
  }

  /** The least of the `least` that 2f others do not exceed, and f others reach with their `most`. */
  private bound(least: readonly number[], most: readonly number[]): number | undefined {
    const { f } = this.core.configuration;
    const isBound = (value: number, reporter: number): boolean => {
      const others = least.map((_, index) => index).filter((index) => index !== reporter);
      const below = others.filter((index) => least[index] <= value).length;
      return below >= 2 * f && others.filter((index) => most[index] >= value).length >= f;
    };
    const bounds = least.filter(isBound);
    return bounds.length === 0 ? undefined : Math.min(...bounds);
  }

  /** It holds a stable checkpoint at or above H_M: nothing it may have said is about anything above. */
  private finish(): void {
    const { core, lastView } = this;
    if (!core.recovering || lastView === undefined || this.checkpointing.stable.sequence < core.awaited) return;
    core.recovering = false;
    core.diskLost = false;
    core.awaited = 0;
    core.votesFrom = Math.max(core.votesFrom, lastView + 1);
    this.checkpointing.recovered();
    core.outbox.silent = false;
    core.outbox.persist({ kind: 'recovered', votesFrom: core.votesFrom });
    this.reported.clear();
    this.onRecovered();
  }
}
