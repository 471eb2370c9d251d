/** The deterministic, SQLite-backed file state of one replica. */
import type { Database } from 'better-sqlite3';
import { assert } from '../../src/limits.js';
import { incarnationOf, startOf } from '../../src/pbft/incarnation.js';
import type { Digest, ReplicaId, SequenceNumber, Timestamp } from '../../src/pbft/messages.js';
import type { ReplicatedState, Service, SessionStore } from '../../src/pbft/ports.js';
import type { StateTransfer, TransferSource, TransferTarget } from '../../src/pbft/transfer-ports.js';
import type { FileStateOptions } from './database.js';
import { Owners } from './owners.js';
import { Registry } from './registry.js';
import type { Scrub } from './scrub.js';
import { FileService } from './service.js';
import { StoredSessions } from './sessions.js';
import { reclaim } from './space.js';
import { Staging } from './staging.js';
import type { Store } from './store.js';
import { answer } from './transfer-source.js';
import { Transfer } from './transfer-target.js';

/** More than can be made between a certified state and the end of an incarnation. */
const LOST_INODES = 2 ** 32;

/** All of it known without asking SQLite. */
export interface FileStateStatistics {
  /** `lastExecuted` of the last commit: a killed process goes on from here. */
  committed: SequenceNumber;
  /** `lastExecuted` that the database file is known to have: a power failure leaves at least this. */
  checkpointed: SequenceNumber;
  /** Rows that may be otherwise in SQLite. */
  touchedRows: number;
  usedBytes: number;
  usedInodes: number;
  /** Of blocks that no file has any more and that are still to be removed. */
  discardedBytes: number;
}

/**
 * The replica's journal is the write-ahead log of this state: the SQLite transaction stays open across batches, and
 * what was not committed when the process dies is executed again from `lastExecuted`, a row of the same transaction.
 * SQLite's failures are not caught here: they are this replica's own, and stop it (DESIGN: one engine for truth).
 */
export class FileState implements ReplicatedState, TransferSource, TransferTarget {
  readonly service: Service;
  readonly sessions: SessionStore;
  readonly registry: Registry;
  private executing: SequenceNumber = 0;
  /** How far the batch is that comes after all those that are final. */
  private batch: 'none' | 'executing' | 'tentative' = 'none';
  /** The transaction was to be committed while a batch was tentative. */
  private commitDue = false;
  /** What was gathered of another state, while a transfer is under way. */
  private staging: Staging | undefined;
  /** While it takes the place of what is here. */
  private installation: Generator<void, Digest | undefined> | undefined;
  private committed: SequenceNumber;
  /** What a killed process committed need not be on the disk: it is, once the log is copied for the first time. */
  private checkpointed: SequenceNumber = 0;
  /** Rows are known not to be what was executed. */
  private isDamaged = false;

  constructor(
    private readonly db: Database,
    private readonly store: Store,
    private readonly options: FileStateOptions,
    private readonly digestOfInitial: () => Digest,
  ) {
    this.service = options.service?.(store) ?? new FileService(store, new Owners(options.cluster));
    this.sessions = new StoredSessions(store);
    this.registry = new Registry(store);
    this.committed = this.lastExecuted;
    store.beginTransaction();
  }

  get lastExecuted(): SequenceNumber {
    return this.store.header.row.lastExecuted;
  }

  get clock(): Timestamp {
    return this.store.header.row.clock;
  }

  get initialDigest(): Digest {
    return this.digestOfInitial();
  }

  get installed(): SequenceNumber {
    return this.store.installed;
  }

  get statistics(): FileStateStatistics {
    const { committed, checkpointed, store } = this;
    const { usedBytes, usedInodes, discardedBytes } = store.header.row;
    return { committed, checkpointed, touchedRows: store.touchedRows, usedBytes, usedInodes, discardedBytes };
  }

  beginBatch(sequence: SequenceNumber): void {
    assert(this.batch === 'none', 'one batch at a time');
    assert(!this.isDamaged, 'nothing is executed on rows that are damaged');
    assert(this.staging === undefined, 'nothing is executed while another state is gathered');
    const begun = incarnationOf(sequence) - incarnationOf(this.lastExecuted);
    const next = begun > 0 ? startOf(incarnationOf(sequence)) + 1 : this.lastExecuted + 1;
    assert(sequence === next, `batch ${sequence} follows ${this.lastExecuted}`);
    this.batch = 'executing';
    this.executing = sequence;
    // What was made after this state and is lost may be known to someone by its number: nothing else is given that.
    if (begun > 0) this.store.updateHeader({ nextIno: this.store.header.row.nextIno + begun * LOST_INODES });
  }

  endBatch(clock: Timestamp): void {
    assert(this.batch === 'executing', 'a batch has begun');
    reclaim(this.store);
    this.store.updateHeader({ lastExecuted: this.executing, clock });
    this.batch = 'tentative';
  }

  commitBatch(): void {
    assert(this.batch === 'tentative', 'a batch to be made final has been executed');
    this.store.commitBatch();
    this.registry.follow();
    this.leaveTentative();
  }

  rollbackBatch(): void {
    assert(this.batch === 'tentative', 'a batch to be undone has been executed');
    this.store.rollbackBatch();
    this.leaveTentative();
  }

  /** Nothing is tentative any more: a commit that waited for that is done. */
  private leaveTentative(): void {
    this.batch = 'none';
    if (this.commitDue) this.commit();
  }

  checkpoint(): Digest {
    assert(this.batch === 'none', 'a checkpoint lies between batches');
    assert(this.installation === undefined, 'no checkpoint is taken of half a state');
    assert(!this.isDamaged, 'no checkpoint is taken of rows that are damaged');
    const digest = this.store.checkpoint();
    if (incarnationOf(this.checkpointed) < incarnationOf(this.lastExecuted)) this.commit(true);
    return digest;
  }

  get damaged(): boolean {
    return this.isDamaged;
  }

  distrust(): void {
    this.isDamaged = true;
  }

  /**
   * Begins a pass over all rows, of which steps may be taken whenever `isScrubbable`. Whoever finds damage by it says so
   * by `distrust`.
   */
  scrub(): Scrub {
    return this.store.scrub();
  }

  /** Of the pages in which SQLite keeps all this, looked at all at once: what is wrong; undefined: nothing. */
  findDamagedPage(): string | undefined {
    const found = this.db.pragma('integrity_check(1)', { simple: true }) as string;
    return found === 'ok' ? undefined : found;
  }

  /** Whether the rows are those of one state: not while another takes its place. */
  get isScrubbable(): boolean {
    return !this.isDamaged && this.installation === undefined;
  }

  get readableCheckpoints(): readonly SequenceNumber[] {
    return this.isDamaged ? [] : this.store.checkpoints.readable;
  }

  /** Root of a checkpoint's tree; undefined: it is not readable here. */
  rootAt(checkpoint: SequenceNumber): Digest | undefined {
    return this.readableCheckpoints.includes(checkpoint) ? this.store.checkpoints.rootAt(checkpoint) : undefined;
  }

  releaseCheckpoints(below: SequenceNumber): void {
    this.store.checkpoints.release(below);
  }

  serve(query: Uint8Array, reader: ReplicaId): Uint8Array | undefined {
    if (this.isDamaged) return undefined;
    return answer(this.store.checkpoints, query, reader);
  }

  beginTransfer(sequence: SequenceNumber, stateDigest: Digest): StateTransfer {
    assert(this.batch === 'none', 'a transfer begins between batches');
    assert(this.staging === undefined, 'one transfer at a time');
    if (!this.isDamaged) this.store.updateTree();
    const { path, durability, now = () => performance.now() } = this.options;
    const staging = new Staging(path, durability);
    this.staging = staging;
    const end = {
      install: (sequence: SequenceNumber, root: Digest) => this.install(staging, sequence, root),
      cancel: () => {
        this.staging = undefined;
        staging.close();
      },
    };
    const preparation = this.isDamaged ? this.admitDamage() : undefined;
    return new Transfer(this.store.checkpoints.currentNodes, staging, end, sequence, stateDigest, preparation, now);
  }

  /**
   * Counts what is damaged, then makes the tree that of the rows as they are: a transfer takes from others what the tree
   * does not have, so it must not have what the rows have not. None of it is committed before the state is installed.
   */
  private *admitDamage(): Generator<void> {
    const scrub = this.store.scrub();
    while (!scrub.step()) yield;
    this.options.onDamage?.(scrub.damaged);
    this.store.discardTouched();
    yield* this.store.remakeTree();
  }

  /**
   * A step of the installation, all of which is in a transaction of its own. What was staged is kept until that is
   * committed, unless it is not what it was. Returns whether this was the last step.
   */
  private install(staging: Staging, sequence: SequenceNumber, root: Digest): boolean {
    if (this.installation === undefined) {
      this.commit();
      this.installation = this.store.installStaged(staging, sequence);
    }
    const { done, value: installed } = this.installation.next();
    if (done !== true) return false;
    const isRight = installed !== undefined && Buffer.compare(installed, root) === 0;
    this.installation = undefined;
    this.staging = undefined;
    if (isRight) {
      this.isDamaged = false;
      this.registry.reload();
      // The journal has nothing to execute again of what the transfer brought.
      this.commit(true);
    }
    staging.discard();
    assert(isRight, 'what was staged is what was certified');
    return true;
  }

  /** The digest computed from all rows again, at a cost in proportion to the state: for tests and audits. */
  recomputeDigest(): Digest {
    assert(this.batch === 'none', 'a digest lies between batches');
    return this.store.recomputeRoot();
  }

  /** So much has changed since the last commit that the next one should not wait. */
  get isCommitDue(): boolean {
    return !this.isDamaged && this.installation === undefined && this.store.isCommitDue;
  }

  /**
   * Makes what has been executed survive the death of the process. For the shell, when it is due or after some time. While a
   * batch is tentative it waits: until that batch is final or undone, `statistics.committed` stays as it was. An
   * installation commits itself, and what is damaged is not committed.
   * @param onDisk what has been executed also survives a loss of power
   */
  commit(onDisk = false): void {
    assert(this.batch !== 'executing', 'a commit lies between batches');
    if (this.installation !== undefined) return;
    this.commitDue = this.batch === 'tentative';
    if (this.commitDue) return;
    this.staging?.commit();
    if (this.isDamaged) return;
    const copied = this.store.commit(onDisk);
    this.committed = this.lastExecuted;
    if (copied) this.checkpointed = this.committed;
    this.store.beginTransaction();
  }

  /**
   * Commits and closes, without a batch that is still tentative; the object is of no use afterwards. What is damaged is
   * left as it was last committed.
   */
  close(): void {
    if (this.batch === 'tentative') this.rollbackBatch();
    const isWhole = this.installation === undefined && !this.isDamaged;
    if (isWhole) this.commit();
    try {
      this.db.exec(isWhole ? 'COMMIT' : 'ROLLBACK');
      this.db.pragma('wal_checkpoint(TRUNCATE)');
    } finally {
      this.db.close();
      this.staging?.close();
    }
  }
}
