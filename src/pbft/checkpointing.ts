import { assert, Limits } from '../limits.js';
import type { Core } from './core.js';
import { sameDigest } from './digests.js';
import type { Execution } from './execution.js';
import type { Checkpoint, CheckpointCertificate, Digest, ReplicaId, SequenceNumber } from './messages.js';
import type { ReplicatedState } from './ports.js';

/** Votes kept for each replica: its latest few, so that one that signs far ahead cannot fill the memory. */
const VOTES_PER_REPLICA = 4;

/** Signed checkpoints, the certificates they make, and the garbage they let go (TOCS '02 §4.3). */
export class Checkpointing {
  /** By replica, in the order received, latest last. */
  private readonly votes: Checkpoint[][] = [];
  /** Own digests at the latest checkpoints, to be compared with certificates that come later. */
  private readonly own = new Map<SequenceNumber, Digest>();
  /** The highest certificate known; it may be ahead of what this replica has executed. */
  certificate: CheckpointCertificate | undefined;
  /** The highest checkpoint that is both certified and executed here; its digest was compared. */
  stable: { sequence: SequenceNumber; stateDigest: Digest | undefined } = { sequence: 0, stateDigest: undefined };

  constructor(
    private readonly core: Core,
    private readonly state: ReplicatedState,
    private readonly execution: () => Execution,
    private readonly onWaterMarksMoved: () => void,
  ) {}

  get certified(): SequenceNumber {
    return this.certificate?.sequence ?? 0;
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
    if (this.state.lastExecuted >= certificate.sequence) this.stable = certificate;
  }

  /** A checkpoint this replica took and signed before it restarted. */
  restoreVote(checkpoint: Checkpoint): void {
    this.own.set(checkpoint.sequence, checkpoint.stateDigest);
    if (checkpoint.sequence > this.certified) this.count(checkpoint);
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
    const { id } = core.configuration;
    const signature = core.authentication.signCheckpoint(sequence, stateDigest);
    const message: Checkpoint = { kind: 'checkpoint', sequence, stateDigest, replica: id, signature };
    core.outbox.persist({ kind: 'checkpoint', checkpoint: message });
    if (sequence <= this.certified) return this.compare();
    core.outbox.send('replicas', message);
    this.count(message);
  }

  /** May come from any replica: the signature says whose it is, and a certificate is passed on as its messages. */
  onCheckpoint(message: Checkpoint, from: ReplicaId): void {
    const { core } = this;
    const { sequence, stateDigest, replica, signature } = message;
    if (sequence <= this.certified) return;
    if (sequence % Limits.checkpointInterval !== 0) return core.outbox.suspect(from, 'checkpoint between checkpoints');
    if (replica >= core.configuration.n || replica === core.configuration.id) return;
    if (this.votes[replica]?.some((vote) => vote.sequence === sequence && sameDigest(vote.signature, signature)))
      return;
    if (!core.authentication.verifyCheckpoint(sequence, stateDigest, replica, signature)) {
      return core.outbox.suspect(from, 'checkpoint with a wrong signature');
    }
    this.count(message);
  }

  private count(message: Checkpoint): void {
    this.votes[message.replica] ??= [];
    const votes = this.votes[message.replica];
    if (votes.some((vote) => vote.sequence === message.sequence)) return;
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
    if (certificate.sequence <= this.certified) return;
    this.certificate = certificate;
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
    // Those that are behind take the checkpoint before this one, or this one.
    this.state.releaseCheckpoints(this.stable.sequence);
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
