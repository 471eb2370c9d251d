import { assert } from '../limits.js';
import { type Core, firstSequence } from './core.js';
import { digestKey, sameDigest } from './digests.js';
import type { Execution } from './execution.js';
import type { Batch, BatchData, Digest, Numbered, SequenceNumber } from './messages.js';
import type { History, ReplicatedState } from './ports.js';
import { chooseStart, endOf, type Start } from './start.js';
import type { StateTransfers } from './state-transfer.js';

/** A batch that was asked for is asked of another replica after so long. */
const REFETCH_MS = 300;

/**
 * Brings this replica's state to where its incarnation begins (group-recovery.ts): back, if it is beyond, or on. A state that
 * is not on the way to there becomes that of the checkpoint that the start rests on, which the others have; the batches
 * after it are on record here, or there.
 */
export class Resumption {
  private start: Start | undefined;
  /** The state is the one, or beyond it. */
  private done: boolean;
  /** Contents from others. */
  private readonly fetched = new Map<string, Batch>();
  private askedAt = Number.NEGATIVE_INFINITY;
  private attempt = 0;

  constructor(
    private readonly core: Core,
    private readonly state: ReplicatedState,
    private readonly execution: Execution,
    private readonly transfers: StateTransfers,
    private readonly history: History,
    /** The digest chain at the state that this replica came with, if that is known. */
    public known: Numbered | undefined,
    private readonly onResumed: () => void,
  ) {
    this.done = core.incarnation === 0 || state.lastExecuted >= firstSequence(core);
  }

  /** Told that the incarnation's first batch has committed. */
  decide({ reports }: Batch): void {
    if (this.done || this.start !== undefined || this.transfers.isBusy) return;
    assert(reports !== undefined, 'an incarnation begins with reports');
    this.start = chooseStart(reports, this.core.authentication);
    assert(this.start !== undefined, 'reports were agreed on that show a start');
    const { base, stateDigest } = this.start;
    if (this.isOnTheWay(this.start)) return this.goOn();
    this.transfers.bring(base, stateDigest ?? this.state.initialDigest, () => this.goOn());
  }

  private isOnTheWay({ base, chain }: Start): boolean {
    const { state, known } = this;
    if (state.damaged || known === undefined || known.sequence !== state.lastExecuted) return false;
    const expected: Digest | undefined = chain[known.sequence - base];
    return expected !== undefined && sameDigest(expected, known.digest);
  }

  tick(): void {
    this.goOn();
  }

  /** Executes the batches up to the start, as far as they are here. */
  private goOn(): void {
    const { start, execution, state } = this;
    if (this.done || start === undefined || this.transfers.isBusy) return;
    // A checkpoint that has become stable since may have been taken instead.
    const isBeyond = state.lastExecuted >= firstSequence(this.core);
    while (!isBeyond && state.lastExecuted < endOf(start)) {
      const sequence = state.lastExecuted + 1;
      const batch = this.content(sequence, start.ordered[sequence - start.base - 1]);
      if (batch === undefined) return this.ask(start);
      execution.replay(sequence, batch);
    }
    this.done = true;
    this.fetched.clear();
    if (isBeyond) return;
    execution.resume();
    this.onResumed();
  }

  private content(sequence: SequenceNumber, digest: Digest): Batch | undefined {
    return this.history.batch(sequence, digest) ?? this.fetched.get(digestKey(digest));
  }

  /** Asks one replica after another for all that is missing. */
  private ask({ base, ordered }: Start): void {
    const { core } = this;
    if (core.now - this.askedAt < REFETCH_MS) return;
    this.askedAt = core.now;
    const { id, n } = core.configuration;
    const to = (id + 1 + (this.attempt++ % (n - 1))) % n;
    for (let sequence = this.state.lastExecuted + 1; sequence <= base + ordered.length; sequence++) {
      const digest = ordered[sequence - base - 1];
      if (this.content(sequence, digest) === undefined) core.outbox.send(to, { kind: 'fetch-batch', sequence, digest });
    }
  }

  /** @returns whether it was one that was asked for here */
  onBatch({ sequence, batch }: BatchData): boolean {
    const { start } = this;
    if (this.done || start === undefined) return false;
    const digest: Digest | undefined = start.ordered[sequence - start.base - 1];
    if (digest === undefined || !sameDigest(digest, batch.digest)) return false;
    this.fetched.set(digestKey(digest), batch);
    this.goOn();
    return true;
  }
}
