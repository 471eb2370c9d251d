/**
 * The messages of the protocol as the core sees them: decoded, and authenticated as far as the link goes.
 * Names and roles are those of TOCS '02 §4. Who sent a message is never a field of it: the link says so.
 */

export type ReplicaId = number;
export type View = number;
export type SequenceNumber = number;
/** 32 bytes of SHA-256. */
export type Digest = Uint8Array;

/** The agreed time of a batch: the primary's clock when it proposed (DESIGN: agreed time). */
export interface Timestamp {
  seconds: number;
  nanoseconds: number;
}

/** A client process: the client's number in the cluster's registry, and an instance that process chose (< 2^53). */
export interface SessionId {
  client: number;
  instance: number;
}

export const CallKind = {
  /** An operation of the replicated service. */
  Service: 0,
  /** Opens the session with `slots` slots; idempotent. */
  OpenSession: 1,
  /** Ends the session and frees all it holds. */
  CloseSession: 2,
} as const;

/** One operation in one slot (RFC 8881 §2.10.6): executed at most once, when `sequence` is the slot's last plus one. */
export interface Call {
  kind: number;
  slot: number;
  sequence: number;
  operation: Uint8Array;
}

/**
 * What a client sends in one turn: one or more calls for different slots under one signature. Everything up to
 * `authenticator` is decoded from `body`, the bytes the client signed; they are kept and relayed as received.
 */
export interface Request {
  kind: 'request';
  session: SessionId;
  /** To be executed at once against the current state and answered from it, without ordering. */
  readOnly: boolean;
  /** The replica that returns large results whole, the others their digest; `EVERYONE`: all return them whole. */
  replier: number;
  calls: Call[];
  body: Uint8Array;
  /** Signable digest of `body`, bound to the cluster. */
  digest: Digest;
  /** One MAC of 16 bytes for each replica, in order of their ids. */
  authenticator: Uint8Array;
  /** Ed25519 over `digest`, 64 bytes; empty on read-only requests. */
  signature: Uint8Array;
}

export const EVERYONE = 255;

/** Slot number of calls that open and close the session: idempotent, so they need no slot of their own. */
export const SESSION_SLOT = 0xfffe;

/** Slot number of read-only calls: they have no slot, and their sequence numbers only match replies to calls. */
export const READ_ONLY_SLOT = 0xffff;

/** What a batch orders: its requests, their order, and the time they are executed at. */
export interface Batch {
  time: Timestamp;
  requests: Request[];
  /** What an incarnation begins from, in its first batch, which has no requests (group-recovery.ts). */
  reports?: StartReport[];
  /** Digest of the time and the requests' digests, and those of the reports, in order. */
  digest: Digest;
}

/** Stands for a large request that its client has sent to all replicas itself (TOCS '02 §5.1.5). */
export interface RequestName {
  kind: 'name';
  digest: Digest;
}

/** A batch as its primary proposes it. Its digest is the same, however much of it is only named. */
export interface ProposedBatch {
  time: Timestamp;
  requests: (Request | RequestName)[];
  reports?: StartReport[];
  digest: Digest;
}

export interface PrePrepare {
  kind: 'pre-prepare';
  view: View;
  sequence: SequenceNumber;
  batch: ProposedBatch;
}

export interface Prepare {
  kind: 'prepare';
  view: View;
  sequence: SequenceNumber;
  digest: Digest;
}

export interface Commit {
  kind: 'commit';
  view: View;
  sequence: SequenceNumber;
  digest: Digest;
}

export const ReplyStatus = {
  Ok: 0,
  /** The session is unknown or was ended: nothing was executed. */
  NoSession: 1,
  /** Not the slot's next sequence number, or a slot the session does not have: nothing was executed. */
  Misordered: 2,
  /** The slot's last call had this sequence number but another digest: nothing was executed now. */
  Conflict: 3,
  /** Executed before; the result was too large to keep. Only calls that changed nothing are answered so. */
  NotCached: 4,
  /** The instance is not above all that this client's ended sessions had: open with a later one. */
  StaleInstance: 5,
} as const;

/** The answer to one call. `result` or its digest; never both. */
export interface Reply {
  kind: 'reply';
  view: View;
  /** The batch has prepared and not yet committed: worth something only beside 2f others of the same view (DESIGN 3.8). */
  tentative: boolean;
  instance: number;
  slot: number;
  sequence: number;
  status: number;
  result?: Uint8Array;
  resultDigest?: Digest;
}

/** Signed: it becomes part of the stable certificate, a proof that must travel. */
export interface Checkpoint {
  kind: 'checkpoint';
  sequence: SequenceNumber;
  /** Digest of the service's whole state after executing `sequence`. */
  stateDigest: Digest;
  replica: ReplicaId;
  signature: Uint8Array;
}

/** 2f+1 matching checkpoint messages of distinct replicas. */
export interface CheckpointCertificate {
  sequence: SequenceNumber;
  stateDigest: Digest;
  signatures: { replica: ReplicaId; signature: Uint8Array }[];
}

/**
 * Signed: everything up to `sequence` has committed at the sender and is on its stable storage (DESIGN 3.11). `digest` is
 * that of the digest chain there (digest-chain.ts), so that who agrees on it agrees on all that was flushed.
 */
export interface Flushed {
  kind: 'flushed';
  sequence: SequenceNumber;
  digest: Digest;
  signature: Uint8Array;
}

/** 2f+1 matching FLUSHED of distinct replicas. */
export interface FlushCertificate {
  sequence: SequenceNumber;
  digest: Digest;
  signatures: { replica: ReplicaId; signature: Uint8Array }[];
}

/** For a replica that lacks the certificate: its own proof, whoever sends it. */
export interface FlushedCertificate {
  kind: 'flushed-certificate';
  certificate: FlushCertificate;
}

/** Names the batch that pre-prepared, or prepared, at a sequence number in a view: an element of Q, or of P. */
export interface OrderedBatch {
  sequence: SequenceNumber;
  digest: Digest;
  view: View;
}

/**
 * Signed: asks for `view`, and says what the sender has seen below it (TOCS '02 §4.5, DESIGN 3.4). All sequence numbers
 * in it lie in (h, h + L], h being the certificate's; all views in it are below `view`.
 */
export interface ViewChange {
  kind: 'view-change';
  view: View;
  replica: ReplicaId;
  /** Of the sender's last stable checkpoint, which travels as its own proof; undefined at the start, when h = 0. */
  certificate: CheckpointCertificate | undefined;
  /** P: for each sequence number at most one, the last that prepared here; in their order. */
  prepared: OrderedBatch[];
  /** Q: for each sequence number and digest the latest view it pre-prepared in here; in order of sequence numbers. */
  prePrepared: OrderedBatch[];
  signature: Uint8Array;
}

/** Signed by the primary of `view`: begins it. What it re-proposes is a function of the view-changes (selection.ts). */
export interface NewView {
  kind: 'new-view';
  view: View;
  /** 2f+1 or more for `view`, of distinct replicas, in order of their ids. */
  viewChanges: ViewChange[];
  signature: Uint8Array;
}

/** What the sender has, so that others can send it what it lacks (TOCS '02 §5.2). */
export interface Status {
  kind: 'status';
  view: View;
  /** Whether the sender has entered the view; otherwise it waits for its new-view. */
  active: boolean;
  /** The sender finds that the primary of its view fails it: f+1 who say so leave the view. */
  dissatisfied: boolean;
  /** While it waits: whose view-changes for the view it holds, bit i for replica i. */
  viewChanges: number;
  lastStable: SequenceNumber;
  lastExecuted: SequenceNumber;
  /** Of the highest flush certificate that the sender holds; 0 if none. */
  lastFlushed: SequenceNumber;
  /** The sender may have forgotten what it said, and is silent … */
  recovering: boolean;
  /** … until a checkpoint is stable here; 0 while it does not know. */
  awaited: SequenceNumber;
  /** Sequence numbers above `lastExecuted` whose batch the sender lacks or has not seen prepared or committed. */
  missing: { sequence: SequenceNumber; batch: boolean; prepared: boolean }[];
}

/** A replica that may have forgotten what it said asks how far the others are (TOCS '02 §5.2). */
export interface QueryStable {
  kind: 'query-stable';
  /** Which life of the sender asks. */
  life: number;
}

export interface ReplyStable {
  kind: 'reply-stable';
  /** As asked. */
  life: number;
  /** c: the last checkpoint that the sender took. */
  lastCheckpoint: SequenceNumber;
  /** p: the last sequence number that prepared there. */
  lastPrepared: SequenceNumber;
  view: View;
}

/** A digest at a sequence number. */
export interface Numbered {
  sequence: SequenceNumber;
  digest: Digest;
}

/** Signed: the sender may have forgotten what it said, while others say the same of themselves (group-recovery.ts). */
export interface Forgotten {
  kind: 'forgotten';
  replica: ReplicaId;
  incarnation: number;
  /** Which life of the sender says so. */
  life: number;
  /** By replica: the life that it last said it recovers in; 0 if it has not. */
  heard: number[];
  signature: Uint8Array;
}

/** Signed: all that its sender can show for a point from which `incarnation` may begin. It takes no part in those before. */
export interface StartReport {
  replica: ReplicaId;
  incarnation: number;
  /** The highest of each that it knows. */
  certificate: CheckpointCertificate | undefined;
  flushed: FlushCertificate | undefined;
  /** Digests of its own state at checkpoints above the certificate, in order. */
  checkpoints: Numbered[];
  /** Of batches above the certificate, in order: what is known to be committed, or else prepared last. */
  ordered: Numbered[];
  signature: Uint8Array;
}

/** Shows that more than f replicas have forgotten at once, so that `incarnation` is to begin. */
export interface NewIncarnation {
  kind: 'new-incarnation';
  incarnation: number;
  /** Of f+1 replicas; none where a stable checkpoint showed that it has begun. */
  forgotten: Forgotten[];
  /** The sender's; none of a replica that lost its disk, or came when all was decided. */
  report: StartReport | undefined;
}

/** Says that the sender committed the batch with that digest: f+1 matching ones are proof for any replica. */
export interface Committed {
  kind: 'committed';
  sequence: SequenceNumber;
  digest: Digest;
}

/** Asks for the batch at `sequence`; `digest` is what the sender knows to be committed there. */
export interface FetchBatch {
  kind: 'fetch-batch';
  sequence: SequenceNumber;
  digest: Digest;
}

export interface BatchData {
  kind: 'batch-data';
  sequence: SequenceNumber;
  batch: Batch;
}

/** Asks for parts of the state at a checkpoint; what `query` says is between the two states (transfer-ports.ts). */
export interface FetchState {
  kind: 'fetch-state';
  /** Chosen by who asks, to tell the answers apart. */
  number: number;
  query: Uint8Array;
}

export interface StateData {
  kind: 'state-data';
  number: number;
  /** Absent: that checkpoint cannot be read here. */
  answer?: Uint8Array;
}

/** A client process tells a replica which instance lives at its end of the link, so that replies find it. */
export interface Attach {
  kind: 'attach';
  instance: number;
}

/** Asks a replica how it is (`byzfs status`); answered with `Inspection`. */
export interface Inspect {
  kind: 'inspect';
  /** The administrator's wish that it look through its whole state now (`byzfs scrub`). */
  scrub: boolean;
}

export interface Inspection {
  kind: 'inspection';
  /** UTF-8 JSON of one element of `replicas` in `byzfs status --json`. */
  json: string;
}

/** The client was revoked: its link is about to be closed, and so is any other that it opens. */
export interface Revoked {
  kind: 'revoked';
}

/** From replica to replica. */
export type ReplicaMessage =
  | Request
  | PrePrepare
  | Prepare
  | Commit
  | Checkpoint
  | Status
  | Committed
  | FetchBatch
  | BatchData
  | ViewChange
  | NewView
  | FetchState
  | StateData
  | Flushed
  | FlushedCertificate
  | QueryStable
  | ReplyStable
  | Forgotten
  | NewIncarnation;

/** From client to replica. */
export type ClientMessage = Request | Attach | Inspect;

export type Message = ReplicaMessage | Reply | Attach | Inspect | Inspection | Revoked;
