import { Limits } from '../limits.js';
import type { Digest, SequenceNumber } from './messages.js';
import type { Authentication } from './ports.js';

/** The initial state is agreed with the cluster's id, which every link is bound to. */
export const GENESIS: Digest = new Uint8Array(32);

/**
 * One digest for everything that has committed up to a sequence number: at a checkpoint the state's, from there to the
 * next one chain(n) = H(chain(n − 1), n, digest of the batch at n). What it is depends on n alone, and not on which
 * checkpoint is stable where, so that replicas can compare it at any time. Whoever agrees on chain(n) agrees on all of
 * the batches since the checkpoint below n, and on the state there.
 */
export class DigestChain {
  /** Without gaps, the latest last; empty while the digest at a checkpoint that this replica has passed is not known. */
  private readonly links = new Map<SequenceNumber, Digest>();

  constructor(private readonly authentication: Pick<Authentication, 'chainDigest'>) {}

  /** Undefined where it is not known: too long ago, or not yet committed here. */
  at(sequence: SequenceNumber): Digest | undefined {
    return this.links.get(sequence);
  }

  /** The first sequence number from `sequence` on of which it is known. */
  firstFrom(sequence: SequenceNumber): SequenceNumber | undefined {
    if (this.links.has(sequence)) return sequence;
    const first: SequenceNumber | undefined = this.links.keys().next().value;
    return first !== undefined && first > sequence ? first : undefined;
  }

  /**
   * The next batch has committed.
   * @param stateDigest after it, where there is a checkpoint
   */
  extend(sequence: SequenceNumber, batchDigest: Digest, stateDigest: Digest | undefined): void {
    const previous = this.links.get(sequence - 1);
    if (stateDigest !== undefined) this.links.set(sequence, stateDigest);
    else if (previous !== undefined) {
      this.links.set(sequence, this.authentication.chainDigest(previous, sequence, batchDigest));
    }
    this.links.delete(sequence - Limits.logSize - Limits.checkpointInterval);
  }

  /** The state has become that of a checkpoint: of what came before nothing is known. */
  startAt(sequence: SequenceNumber, stateDigest: Digest): void {
    this.links.clear();
    this.links.set(sequence, stateDigest);
  }

  /**
   * After a restart: from the last checkpoint at or below `lastExecuted`, as far as it can be computed.
   * @param stateDigests at checkpoints
   * @param batchDigests of what has committed
   */
  restore(
    lastExecuted: SequenceNumber,
    stateDigests: (sequence: SequenceNumber) => Digest | undefined,
    batchDigests: (sequence: SequenceNumber) => Digest | undefined,
  ): void {
    const from = lastExecuted - (lastExecuted % Limits.checkpointInterval);
    const base = from === 0 ? GENESIS : stateDigests(from);
    if (base === undefined) return;
    this.startAt(from, base);
    for (let sequence = from + 1; sequence <= lastExecuted; sequence++) {
      const digest = batchDigests(sequence);
      if (digest === undefined) return this.links.clear();
      this.extend(sequence, digest, undefined);
    }
  }
}
