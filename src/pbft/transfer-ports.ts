/**
 * State transfer as the core sees it (TOCS '02 §4.6, with a radix trie for its partition tree): queries and answers are
 * bytes that it carries between replicas and need not understand.
 */
import type { Digest, ReplicaId, SequenceNumber } from './messages.js';

/** A state that others can bring themselves up to date from, while it goes on executing. */
export interface TransferSource {
  /** Checkpoints that queries can be answered from, in order: the latest, and those before it that were not released. */
  readonly readableCheckpoints: readonly SequenceNumber[];
  /** Drops the checkpoints below this one, but never the latest, nor for some time the one that others ask for. */
  releaseCheckpoints(below: SequenceNumber): void;
  /**
   * Answers a transferring replica, with at most `Limits.stateAnswerBytes`, from the checkpoint that its query names,
   * which is then not released for a while.
   * @param reader who asks, a replica's id
   * @returns undefined if that checkpoint is not readable here, or these bytes are no query
   */
  serve(query: Uint8Array, reader: ReplicaId): Uint8Array | undefined;
}

/** A state that can become the one of a certified checkpoint. */
export interface TransferTarget {
  /**
   * The checkpoint that the last installed transfer brought; 0 if none. What came before it was not executed here. Above
   * `lastExecuted` if the state was begun anew: then it is to be taken from others.
   */
  readonly installed: SequenceNumber;
  /**
   * Rows are known not to be what was executed. Then nothing may be executed or answered from this state, which has no
   * readable checkpoint either, until a transfer is installed: of the last stable checkpoint, though `lastExecuted` be
   * beyond it. What came after that is executed again. The transfer first looks through all that is here, while
   * `queries` yields none; it then asks for what differs from the certified state and for nothing else.
   */
  readonly damaged: boolean;
  /** From now on it is `damaged`: this replica's root is not the certified one, or its disk was found to alter rows. */
  distrust(): void;
  /**
   * Begins to gather what this state lacks to be that of a checkpoint, or goes on where an earlier transfer ended, in
   * this life of the process or the last. Nothing may be executed until `install` or `cancel`; queries may.
   * @param stateDigest certified by 2f+1
   */
  beginTransfer(sequence: SequenceNumber, stateDigest: Digest): StateTransfer;
}

export interface TransferProgress {
  /** Rows gathered, or known to be removed. */
  rows: number;
  /** Rows known to be needed and not here; more are found as nodes come in. */
  rowsMissing: number;
  nodes: number;
  nodesMissing: number;
  /** Of rows and nodes that were gathered since the process began. */
  bytes: number;
}

export interface StateTransfer {
  /** The checkpoint that is gathered. */
  readonly sequence: SequenceNumber;
  /**
   * What to ask for now: up to `limit` queries for different pieces, each to be sent to one replica, whichever. A query
   * is outstanding until `accept` or `giveUp`. None while all is outstanding, or at times while there is yet work to do
   * with what an earlier transfer left: then ask again soon.
   */
  queries(limit: number): Uint8Array[];
  /**
   * What the replica answered that `query` was sent to. Every piece is checked against the digest that its parent has
   * of it. An answer may leave out pieces at its end; they are asked for again. To a query that is not outstanding any
   * answer is 'ok', and without effect.
   * @returns 'invalid', having changed nothing: that replica is faulty, and the query is to be put to another
   */
  accept(query: Uint8Array, answer: Uint8Array): 'ok' | 'invalid';
  /** No answer will come: what was asked for is asked for again. */
  giveUp(query: Uint8Array): void;
  /** Gathers a newer checkpoint instead; what is here of the older one and is in the newer too is not asked for again. */
  retarget(sequence: SequenceNumber, stateDigest: Digest): void;
  /** Everything is here. */
  readonly done: boolean;
  readonly progress: TransferProgress;
  /**
   * Once done: makes the state that of the checkpoint, and `lastExecuted` its sequence number. That takes as many calls
   * as it takes until one returns true, each some 20 ms, so that messages can be handled between them; nothing may be
   * asked of the state meanwhile, nor the transfer be changed. It is all or nothing: after a kill before the last call
   * the state is what it was. Throws, which stops the replica, if what was gathered has decayed on its disk: then that
   * is gone, and the next transfer gathers it again.
   */
  install(): boolean;
  /** Leaves the state as it was; what was gathered is kept for the next transfer. */
  cancel(): void;
}
