/** All that the core needs from outside: each method with its contract. Every one is synchronous (trap 6). */
import type {
  Batch,
  Checkpoint,
  CheckpointCertificate,
  Digest,
  FlushCertificate,
  Forgotten,
  NewIncarnation,
  NewView,
  ReplicaId,
  Request,
  SequenceNumber,
  SessionId,
  StartReport,
  Timestamp,
  View,
  ViewChange,
} from './messages.js';
import type { TransferSource, TransferTarget } from './transfer-ports.js';

/** Under what a call is executed: the same on every replica. */
export interface ExecutionContext {
  sequence: SequenceNumber;
  /** Agreed time of this call, strictly rising from call to call. */
  time: Timestamp;
  session: SessionId;
}

export interface Execution {
  result: Uint8Array;
  /** The reply may leave only when everything up to this sequence number is on stable storage of 2f+1 replicas. */
  durable: boolean;
  /** The result is not kept in the reply cache, being large and of a call that changed nothing. */
  transient: boolean;
}

/** The replicated service: deterministic, and total: bad operations have results too, it never throws for them. */
export interface Service {
  /** Executes one ordered operation. */
  execute(operation: Uint8Array, context: ExecutionContext): Execution;
  /** Executes a read-only operation on the latest state; one that would change it yields an error result. */
  query(operation: Uint8Array, session: SessionId): Uint8Array;
  /** The session has ended: everything held in its name is freed, as part of the ordered execution. */
  sessionEnded(session: SessionId, context: ExecutionContext): void;
}

/** One slot's reply cache entry. `result` is absent where it was too large to keep. */
export interface SlotRow {
  slot: number;
  sequence: number;
  requestDigest: Digest;
  status: number;
  /** Of a call whose reply is durable, the sequence number it was executed at; otherwise 0. */
  durableAt: SequenceNumber;
  result?: Uint8Array;
}

export interface SessionRow {
  session: SessionId;
  slots: number;
  /** Agreed time of the session's opening, for eviction of the oldest. */
  opened: Timestamp;
}

/** Of a client: whether it may have anything executed. */
export type Standing = 'unknown' | 'registered' | 'revoked';

/** Sessions and replies as rows of the replicated state: hashed, checkpointed and transferred with it (trap 5). */
export interface SessionStore {
  standing(client: number): Standing;
  /** Highest instance of this client's ended sessions; 0 if none. */
  endedInstance(client: number): number;
  setEndedInstance(client: number, instance: number): void;
  /** A client's sessions in order of their instances. */
  sessions(client: number): SessionRow[];
  /** All clients' sessions, in order of clients and instances. */
  all(): SessionRow[];
  session(id: SessionId): SessionRow | undefined;
  putSession(row: SessionRow): void;
  /** Removes the session and its slots. */
  deleteSession(id: SessionId): void;
  slot(id: SessionId, slot: number): SlotRow | undefined;
  putSlot(id: SessionId, row: SlotRow): void;
}

/** The state that the service and the sessions live in. */
export interface ReplicatedState extends TransferSource, TransferTarget {
  readonly service: Service;
  readonly sessions: SessionStore;
  /** Last sequence number whose effects this state has. After a restart it may be behind what the journal holds. */
  readonly lastExecuted: SequenceNumber;
  /** Agreed time of the last executed call. */
  readonly clock: Timestamp;
  /** Digest of the state that every replica starts from, at sequence number 0. */
  readonly initialDigest: Digest;
  /**
   * Everything from here to `endBatch` belongs to `sequence`: the next one, or the first of a later incarnation, of which
   * nothing may be taken for what was there before (incarnation.ts). Whatever was executed before has committed.
   */
  beginBatch(sequence: SequenceNumber): void;
  /** Ends it: `lastExecuted` becomes its sequence number, `clock` the given time. It is tentative until `commitBatch`. */
  endBatch(clock: Timestamp): void;
  /** The last executed batch is final. */
  commitBatch(): void;
  /** Undoes the last executed batch, which is tentative: rows, counters, clock, digest and caches are as before it. */
  rollbackBatch(): void;
  /**
   * Digest of the whole state now, after `lastExecuted`. Equal states have equal digests on all replicas. The first of an
   * incarnation is also on stable storage: no later loss of power goes back to an earlier one.
   */
  checkpoint(): Digest;
}

/** Digests, MACs and signatures under this replica's keys; the bytes they cover are built in `src/crypto`. */
export interface Authentication {
  /** Of requests, or of the names of some, and of reports. */
  batchDigest(time: Timestamp, requests: readonly { digest: Digest }[]): Digest;
  resultDigest(result: Uint8Array): Digest;
  /** Whether this replica's entry of the request's authenticator is right. False too while no key is shared. */
  verifyRequestMac(request: Request): boolean;
  /**
   * Whether the signature is right and the client is registered, as far as this replica has executed for good. Whether it
   * was revoked is another matter, decided where its request is executed, and by all alike.
   */
  verifyRequestSignature(request: Request): boolean;
  signCheckpoint(sequence: SequenceNumber, stateDigest: Digest): Uint8Array;
  verifyCheckpoint(sequence: SequenceNumber, stateDigest: Digest, replica: ReplicaId, signature: Uint8Array): boolean;
  /** A link of the digest chain (digest-chain.ts): binds `previous`, the sequence number and the batch's digest. */
  chainDigest(previous: Digest, sequence: SequenceNumber, batchDigest: Digest): Digest;
  signFlushed(sequence: SequenceNumber, digest: Digest): Uint8Array;
  verifyFlushed(sequence: SequenceNumber, digest: Digest, replica: ReplicaId, signature: Uint8Array): boolean;
  /** Covers all but the certificate's signatures, which prove themselves. */
  signViewChange(message: Omit<ViewChange, 'signature'>): Uint8Array;
  /** Whether `message.replica` signed it. Its certificate is not looked at. */
  verifyViewChange(message: ViewChange): boolean;
  /** Covers the view and all that the view-changes' signatures cover. */
  signNewView(view: View, viewChanges: readonly ViewChange[]): Uint8Array;
  /** Whether `primary` signed it. The view-changes in it are not looked at. */
  verifyNewView(message: NewView, primary: ReplicaId): boolean;
  signForgotten(message: Omit<Forgotten, 'signature'>): Uint8Array;
  /** Whether `message.replica` signed it. */
  verifyForgotten(message: Forgotten): boolean;
  /** What is signed of a report: all but the certificates' signatures, which prove themselves. */
  reportDigest(report: Omit<StartReport, 'signature'>): Digest;
  signReport(report: Omit<StartReport, 'signature'>): Uint8Array;
  /** Whether `report.replica` signed it. Its certificates are not looked at. */
  verifyReport(report: StartReport): boolean;
}

/** Batches that have left the log, for replicas that lag. May have forgotten the older ones. */
export interface History {
  /** Digest of the batch that committed there; to be asked only for what this replica has executed for good. */
  digest(sequence: SequenceNumber): Digest | undefined;
  /** A batch that was proposed there, whether it committed or not. */
  batch(sequence: SequenceNumber, digest: Digest): Batch | undefined;
}

/** What must be on record before the messages it allows are sent. */
export type JournalRecord =
  /** `batch` is absent where an earlier record of the same sequence number holds it. */
  | { kind: 'pre-prepared'; view: View; sequence: SequenceNumber; digest: Digest; batch?: Batch }
  | { kind: 'prepared'; view: View; sequence: SequenceNumber; digest: Digest }
  /** Committed here without having prepared here, or with another digest than prepared last. */
  | { kind: 'committed'; sequence: SequenceNumber; digest: Digest; batch?: Batch }
  /** A checkpoint this replica signed. */
  | { kind: 'checkpoint'; checkpoint: Checkpoint }
  | { kind: 'stable'; certificate: CheckpointCertificate }
  | { kind: 'flushed'; certificate: FlushCertificate }
  /** What stands before may lack votes that were sent: from here on this replica says nothing … */
  | { kind: 'recovering'; diskLost: boolean }
  /** … until here, and after that it votes in no view below this one. */
  | { kind: 'recovered'; votesFrom: View }
  /** The view-change this replica sent: from then on it is in `message.view`, waiting for its new-view. */
  | { kind: 'view-change'; message: ViewChange }
  /** The view this replica entered, or another's that settled older ones (view-change.ts). */
  | { kind: 'new-view'; message: NewView }
  /** It takes part in no incarnation before this one any more. What stands before is history. */
  | { kind: 'incarnation'; message: NewIncarnation }
  /** The number of the process that writes, and what was recovered before it, at what time (replica/proactive). */
  | { kind: 'epoch'; epoch: number; recoveries: number; recoveredAt: number };
