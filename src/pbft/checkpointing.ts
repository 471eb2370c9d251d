import { assert, Limits } from '../limits.js';
import type { Core } from './core.js';
import { sameDigest } from './digests.js';
import type { Execution } from './execution.js';
import { incarnationOf, startOf } from './incarnation.js';
import type { Checkpoint, CheckpointCertificate, Digest, Numbered, ReplicaId, SequenceNumber } from './messages.js';
import type { ReplicatedState } from './ports.js';

/** Votes kept for each replica: its latest few, so that one that signs far ahead cannot fill the memory. */
const VOTES_PER_REPLICA = 4;
/** Stable checkpoints that are kept besides the last, and what they hold. */
const KEPT_STABLE = 2;

/** Signed checkpoints, the certificates they make, and the garbage they let go (TOCS '02 §4.3). */
export class Checkpointing {
  /** By replica, in the order received, latest last. */
  private readonly votes: Checkpoint[][] = [];
  /** Own digests at the latest checkpoints, to be compared with certificates that come later. */
  private readonly own = new Map<SequenceNumber, Digest>();
  /** The highest checkpoint that this replica knows, or must assume, to have signed. */
  private signed: SequenceNumber;
  /** The highest certificate known; it may be ahead of what this replica has executed. */
  certificate: CheckpointCertificate | undefined;
  /** The highest checkpoint that is both certified and executed here; its digest was compared. */
  stable: { sequence: SequenceNumber; stateDigest: Digest | undefined };
  /** Checkpoints that this replica took, and says so of once all before them is on stable storage. */
  private unsaid: { flush: number; message: Checkpoint }[] = [];
  /** Stable checkpoints before the present one, the latest last: what they cover may yet be wanted. */
  private readonly formerlyStable: SequenceNumber[] = [];

  constructor(
    private readonly core: Core,
    private readonly state: ReplicatedState,
    private readonly execution: () => Execution,
    private readonly onWaterMarksMoved: () => void,
    /** The certificate is of a later incarnation than this replica is in. */
    private readonly onLaterIncarnation: (certificate: CheckpointCertificate) => void,
    /** This replica signed what it has no record of. */
    private readonly onForgotten: () => void,
  ) {
    this.signed = startOf(core.incarnation);
    this.stable = { sequence: this.signed, stateDigest: undefined };
  }

  get certified(): SequenceNumber {
    return this.certificate?.sequence ?? startOf(this.core.incarnation);
  }

  /** The last checkpoint this replica took; 0 if none. */
  get lastVoted(): SequenceNumber {
    return Math.max(0, ...this.own.keys());
  }

  /** Digest of this replica's state at a checkpoint it took or knows the certificate of. */
  digestAt(sequence: SequenceNumber): Digest | undefined {
    const { certificate } = this;
    return this.own.get(sequence) ?? (certificate?.sequence === sequence ? certificate.stateDigest : undefined);
  }

  /** The certificate a journal held, which was verified before it was written. */
  restoreCertificate(certificate: CheckpointCertificate): void {
    if (certificate.sequence <= this.certified) return;
    this.certificate = certificate;
    // The journal keeps no checkpoint of this replica's own from before it.
    this.signed = Math.max(this.signed, certificate.sequence);
    if (this.state.lastExecuted >= certificate.sequence) this.stable = certificate;
  }

  /** A checkpoint this replica took and signed before it restarted. */
  restoreVote(checkpoint: Checkpoint): void {
    this.own.set(checkpoint.sequence, checkpoint.stateDigest);
    this.signed = Math.max(this.signed, checkpoint.sequence);
    if (checkpoint.sequence > this.certified) this.sayWhenFlushed(checkpoint);
  }

  /** Digests of this replica's states at checkpoints above the certificate. */
  get ownAbove(): Numbered[] {
    const above = [...this.own].filter(([sequence]) => sequence > this.certified);
    return above.map(([sequence, digest]) => ({ sequence, digest }));
  }

  /** A batch was executed and has committed: takes a checkpoint where one is due (trap 7). */
  onCommitted(sequence: SequenceNumber): void {
    if (sequence % Limits.checkpointInterval === 0) this.take(sequence);
    // Behind a certificate, the log follows execution: all up to the certificate has committed everywhere.
    if (this.certified > this.core.log.lowWaterMark) this.moveWaterMarks();
  }

  private take(sequence: SequenceNumber): void {
    const { core } = this;
    const stateDigest = this.state.checkpoint();
    const earlier = this.own.get(sequence);
    if (earlier !== undefined) {
      // Executed again after a restart.
      return assert(sameDigest(earlier, stateDigest), `the state at ${sequence} differs from what it was before`);
    }
    this.own.set(sequence, stateDigest);
    for (const old of this.own.keys()) if (old <= sequence - 2 * Limits.logSize) this.own.delete(old);
    this.signed = Math.max(this.signed, sequence);
    const { id } = core.configuration;
    const signature = core.authentication.signCheckpoint(sequence, stateDigest);
    const message: Checkpoint = { kind: 'checkpoint', sequence, stateDigest, replica: id, signature };
    core.outbox.persist({ kind: 'checkpoint', checkpoint: message });
    if (sequence <= this.certified) return this.compare();
    this.sayWhenFlushed(message);
  }

  /** Alone, a replica has nobody to show anything to. */
  private sayWhenFlushed(message: Checkpoint): void {
    const { configuration, outbox } = this.core;
    if (configuration.f === 0) this.count(message);
    else this.unsaid.push({ flush: outbox.flush(), message });
  }

  /** After a restart: what a killed process wrote need not be on the disk yet. */
  restored(): void {
    this.unsaid = this.unsaid.map(({ message }) => ({ flush: this.core.outbox.flush(), message }));
  }

  /**
   * All that was persisted up to that flush is on stable storage: so a stable checkpoint, as a flush certificate, means
   * that f+1 correct replicas can show all up to it after whatever becomes of the power (DESIGN 3.11).
   */
  flushed(flush: number): void {
    const done = this.unsaid.filter((each) => each.flush <= flush);
    if (done.length === 0) return;
    this.unsaid = this.unsaid.filter((each) => each.flush > flush);
    for (const { message } of done) {
      if (message.sequence <= this.certified) continue;
      this.core.outbox.send('replicas', message);
      this.count(message);
    }
  }

  /** May come from any replica: the signature says whose it is, and a certificate is passed on as its messages. */
  onCheckpoint(message: Checkpoint, from: ReplicaId): void {
    const { core } = this;
    const { sequence, stateDigest, replica, signature } = message;
    const isOwn = replica === core.configuration.id;
    if (sequence <= (isOwn ? this.signed : this.certified)) return;
    if (sequence % Limits.checkpointInterval !== 0) return core.outbox.suspect(from, 'checkpoint between checkpoints');
    if (replica >= core.configuration.n) return;
    if (this.votes[replica]?.some((vote) => vote.sequence === sequence && sameDigest(vote.signature, signature)))
      return;
    if (!core.authentication.verifyCheckpoint(sequence, stateDigest, replica, signature)) {
      return core.outbox.suspect(from, 'checkpoint with a wrong signature');
    }
    if (isOwn) return this.onOwn(sequence);
    this.count(message);
  }

  /**
   * This replica's own signature on a checkpoint, verified. It is on stable storage before it is said, so one that is not on
   * record was said before the disk went back in time: an old backup was put back, or it did not keep what it had flushed
   * (DESIGN 3.12). What lies between two checkpoints leaves no such proof, nor what is below a certificate that 2f+1 others
   * signed.
   */
  private onOwn(sequence: SequenceNumber): void {
    if (sequence <= this.signed) return;
    this.signed = sequence;
    this.onForgotten();
  }

  /** It has recovered from having forgotten what it signed, which was nothing above the certificate. */
  recovered(): void {
    this.signed = Math.max(this.signed, this.certified);
  }

  private count(message: Checkpoint): void {
    this.votes[message.replica] ??= [];
    const votes = this.votes[message.replica];
    const others = votes.filter((vote) => vote.sequence === message.sequence);
    if (others.some((vote) => sameDigest(vote.stateDigest, message.stateDigest))) return;
    // Both are kept: the one that certifies what others signed may be the one that came later, by way of them.
    if (others.length > 0) this.core.outbox.suspect(message.replica, 'two checkpoints for one number');
    votes.push(message);
    if (votes.length > VOTES_PER_REPLICA) votes.shift();
    const matching = this.votes
      .flat()
      .filter((vote) => vote.sequence === message.sequence && sameDigest(vote.stateDigest, message.stateDigest));
    if (matching.length >= this.core.configuration.quorum) this.certify(matching);
  }

  private certify(matching: Checkpoint[]): void {
    const { sequence, stateDigest } = matching[0];
    const signatures = matching.map(({ replica, signature }) => ({ replica, signature }));
    this.adopt({ sequence, stateDigest, signatures });
  }

  /** A certificate that was verified, its own proof wherever it came from. */
  adopt(certificate: CheckpointCertificate): void {
    const { id } = this.core.configuration;
    if (certificate.signatures.some(({ replica }) => replica === id)) this.onOwn(certificate.sequence);
    if (certificate.sequence <= this.certified) return;
    if (incarnationOf(certificate.sequence) > this.core.incarnation) return this.onLaterIncarnation(certificate);
    this.certificate = certificate;
    // Only what was decided is followed by a stable checkpoint.
    this.core.decided = true;
    this.core.outbox.note({ kind: 'stable', certificate });
    this.compare();
    this.moveWaterMarks();
  }

  /** Our state differs from what 2f+1 certified: nothing this replica says can be trusted any more. */
  private compare(): void {
    const { certificate } = this;
    const mine = certificate && this.own.get(certificate.sequence);
    if (certificate === undefined || mine === undefined) return;
    assert(
      sameDigest(mine, certificate.stateDigest),
      `this replica's state differs from the certified one at sequence number ${certificate.sequence}`,
    );
    // Those that are behind take the checkpoint before this one, or this one. After a loss of power the one before that may be
    // the last that is known to be stable.
    if (this.stable.sequence < certificate.sequence) this.formerlyStable.push(this.stable.sequence);
    if (this.formerlyStable.length > KEPT_STABLE) this.state.releaseCheckpoints(this.formerlyStable.shift()!);
    this.stable = certificate;
    for (const votes of this.votes) while (votes?.[0] && votes[0].sequence <= certificate.sequence) votes.shift();
  }

  /** The state was taken from others: it is that of a certified checkpoint. */
  onInstalled(sequence: SequenceNumber, stateDigest: Digest): void {
    // What was signed since, if the state was not what it should have been, may not have been right.
    for (const later of this.own.keys()) if (later > sequence) this.own.delete(later);
    this.own.set(sequence, stateDigest);
    this.stable = { sequence, stateDigest };
    this.compare();
    this.moveWaterMarks();
  }

  private moveWaterMarks(): void {
    // A state that was mended begins at the checkpoint that was stable when that began.
    const low = Math.max(this.core.log.lowWaterMark, Math.min(this.certified, this.execution().lastCommitted));
    this.core.log.advance(low, this.certified);
    this.onWaterMarksMoved();
  }

  /** Sends what lets a replica with that last stable checkpoint make the next ones stable. */
  resend(to: ReplicaId, lastStable: SequenceNumber): void {
    const { certificate, core } = this;
    if (certificate !== undefined && certificate.sequence > lastStable) {
      const { sequence, stateDigest } = certificate;
      for (const { replica, signature } of certificate.signatures) {
        core.outbox.send(to, { kind: 'checkpoint', sequence, stateDigest, replica, signature });
      }
    }
    for (const vote of this.votes[core.configuration.id] ?? []) {
      if (vote.sequence > Math.max(lastStable, this.certified)) core.outbox.send(to, vote);
    }
  }

  describe(): { sequence: SequenceNumber; root: string | null } {
    const { sequence, stateDigest } = this.stable;
    return { sequence, root: stateDigest === undefined ? null : Buffer.from(stateDigest).toString('hex') };
  }
}
