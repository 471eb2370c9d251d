import { assert, Limits } from '../limits.js';
import { isSignedByQuorum } from './certificates.js';
import type { Configuration } from './configuration.js';
import type { Core } from './core.js';
import type { DigestChain } from './digest-chain.js';
import { sameDigest, sessionKey } from './digests.js';
import type {
  Digest,
  FlushCertificate,
  Flushed,
  FlushedCertificate,
  ReplicaId,
  Reply,
  SequenceNumber,
  SessionId,
} from './messages.js';
import type { Authentication } from './ports.js';

const FlushingLimits = {
  /** FLUSHED kept of each replica, the latest: some that were not certified yet, and what a faulty one makes up. */
  votesPerReplica: 8,
  /** FLUSHED of one replica that are joined, and certificates of one that are verified, between two ticks. */
  joinedPerTick: 8,
  certificatesPerTick: 4,
  /** Durable replies held at a time. */
  heldReplies: 4096,
  /** A reply held for longer is overdue: something was lost. */
  overdueMs: 150,
  /** What was executed is put on stable storage after so long, though nobody asks: a loss of power takes no more than that. */
  backgroundMs: 5000,
  /** One held for so long may wait for replicas that do not know the chain there any more: a checkpoint tells them. */
  stuckMs: 1000,
} as const;

interface Vote extends Omit<Flushed, 'kind'> {
  replica: ReplicaId;
  /** Undefined until it is needed: verifying costs more than all else here. */
  valid: boolean | undefined;
}

interface Held {
  to: SessionId;
  reply: Reply;
  durableAt: SequenceNumber;
  since: number;
}

/**
 * Durable replies (DESIGN 3.11). They leave when 2f+1 replicas have said, signed, that everything up to them is on stable
 * storage, and when this certificate is on stable storage here: then f+1 correct replicas can show it after whatever
 * becomes of the power, and one of them is among any 2f+1.
 *
 * One FLUSHED covers all before it, so a flush that served several batches is told of by one. Replicas whose flushes
 * fell differently would sign different numbers: each therefore also signs what another says it has flushed, once it has
 * committed and flushed that itself.
 */
export class Flushing {
  /** The highest known. */
  private certificate: FlushCertificate | undefined;
  /** Sequence number of the highest that is on stable storage here. */
  private onDisk: SequenceNumber = 0;
  private lastCommitted: SequenceNumber = 0;
  /** Everything up to here is on stable storage here. */
  private flushedUpTo: SequenceNumber = 0;
  /** By replica, this one's too, in the order they came. */
  private readonly votes: Vote[][] = [];
  /** What flushes under way are for: to say FLUSHED, and to have a certificate on stable storage. */
  private toSay: { flush: number; sequence: SequenceNumber }[] = [];
  private toKeep: { flush: number; sequence: SequenceNumber }[] = [];
  /** The latest for each slot of each session. */
  private readonly held = new Map<string, Held>();
  private backgroundAt = 0;
  private readonly joined: number[] = [];
  private readonly looked: number[] = [];

  constructor(
    private readonly core: Core,
    private readonly chain: DigestChain,
    /**
     * Every record is flushed before what it allows is sent. Then a batch that committed prepared on stable storage of
     * f+1 correct replicas, no restart of any number of replicas forgets a vote, and what has committed stays so:
     * replies need no certificate.
     */
    private readonly synced: boolean,
    /** Orders empty batches up to that number, if this replica is the primary. */
    private readonly fill: (upTo: SequenceNumber) => void,
  ) {}

  /** Sequence number of the highest certificate. */
  get certified(): SequenceNumber {
    return this.certificate?.sequence ?? 0;
  }

  /** The highest certificate known, of whatever incarnation. */
  get highest(): FlushCertificate | undefined {
    return this.certificate;
  }

  /** What was known in the incarnation before. */
  inherit({ certificate }: Flushing): void {
    if (certificate === undefined) return;
    this.restore(certificate);
    this.keep(certificate);
  }

  /** Something should have been certified by now. */
  get overdue(): boolean {
    return this.hasWaited(FlushingLimits.overdueMs);
  }

  private hasWaited(ms: number): boolean {
    const first: Held | undefined = this.held.values().next().value;
    return first !== undefined && this.core.now - first.since >= ms;
  }

  tick(): void {
    this.joined.length = 0;
    this.looked.length = 0;
    // Where the chain was not known, it may be by now.
    if (this.overdue) for (const { durableAt } of this.held.values()) this.wantFrom(durableAt);
    if (this.hasWaited(FlushingLimits.stuckMs)) this.fill(this.nextCheckpoint);
    if (this.core.now - this.backgroundAt < FlushingLimits.backgroundMs) return;
    this.backgroundAt = this.core.now;
    if (!this.synced) this.want(this.lastCommitted);
  }

  private get nextCheckpoint(): SequenceNumber {
    const { checkpointInterval } = Limits;
    return this.lastCommitted - (this.lastCommitted % checkpointInterval) + checkpointInterval;
  }

  /** A certificate the journal held, which was verified before it was written. */
  restore(certificate: FlushCertificate): void {
    if (certificate.sequence > this.certified) this.certificate = certificate;
  }

  /** After a restart. What a killed process wrote need not be on the disk yet. */
  restored(lastCommitted: SequenceNumber): void {
    this.lastCommitted = lastCommitted;
    if (this.certificate !== undefined) this.keep(this.certificate);
  }

  /** @param durableAt 0: the reply leaves now */
  reply(to: SessionId, reply: Reply, durableAt: SequenceNumber): void {
    const { outbox, now } = this.core;
    if (this.synced || durableAt <= this.onDisk) return outbox.reply(to, reply);
    const key = `${sessionKey(to)}:${reply.slot}`;
    const since = this.held.get(key)?.since ?? now;
    if (this.held.size >= FlushingLimits.heldReplies && !this.held.has(key)) {
      return outbox.reject('too many durable replies held');
    }
    this.held.set(key, { to, reply, durableAt, since });
    this.wantFrom(durableAt);
  }

  /** A batch was executed and has committed, and the chain has it. */
  onCommitted(sequence: SequenceNumber): void {
    this.lastCommitted = sequence;
    if (this.isSaid(sequence) || this.isHeld(sequence)) this.want(sequence);
  }

  private isHeld(sequence: SequenceNumber): boolean {
    for (const { durableAt } of this.held.values()) if (durableAt === sequence) return true;
    return false;
  }

  /** Where the chain is not known at that number any more, a later one covers it. */
  private wantFrom(sequence: SequenceNumber): void {
    const known = this.chain.firstFrom(sequence);
    if (known !== undefined) this.want(known);
  }

  /** Will say FLUSHED for that number, once it is true. */
  private want(sequence: SequenceNumber): void {
    const { core } = this;
    if (sequence <= this.certified || this.chain.at(sequence) === undefined) return;
    if (this.voteOf(core.configuration.id, sequence) !== undefined) return;
    if (sequence <= this.flushedUpTo) return this.say(sequence);
    if (this.toSay.some((each) => each.sequence === sequence)) return;
    this.toSay.push({ flush: core.outbox.flush(), sequence });
  }

  private voteOf(replica: ReplicaId, sequence: SequenceNumber): Vote | undefined {
    return this.votes[replica]?.find((vote) => vote.sequence === sequence);
  }

  /** All that was persisted up to that flush is on stable storage. */
  flushed(flush: number): void {
    const isDone = (each: { flush: number }): boolean => each.flush <= flush;
    for (const { sequence } of this.toKeep.filter(isDone)) this.onDisk = Math.max(this.onDisk, sequence);
    this.toKeep = this.toKeep.filter((each) => !isDone(each));
    this.release();
    const done = this.toSay.filter(isDone).map(({ sequence }) => sequence);
    this.toSay = this.toSay.filter((each) => !isDone(each));
    this.flushedUpTo = Math.max(this.flushedUpTo, ...done);
    for (const sequence of done) if (sequence === this.flushedUpTo || this.isSaid(sequence)) this.say(sequence);
  }

  /** Whether someone says FLUSHED for that very number. */
  private isSaid(sequence: SequenceNumber): boolean {
    return this.votes.some((votes) => votes?.some((vote) => vote.sequence === sequence));
  }

  private say(sequence: SequenceNumber): void {
    const { core } = this;
    const digest = this.chain.at(sequence);
    if (sequence <= this.certified || digest === undefined) return;
    if (this.voteOf(core.configuration.id, sequence) !== undefined) return;
    const signature = core.authentication.signFlushed(sequence, digest);
    this.add({ sequence, digest, replica: core.configuration.id, signature, valid: true });
    core.outbox.send('replicas', { kind: 'flushed', sequence, digest, signature });
    this.certify(sequence, digest);
  }

  private add(vote: Vote): void {
    this.votes[vote.replica] ??= [];
    const votes = this.votes[vote.replica];
    votes.push(vote);
    if (votes.length > FlushingLimits.votesPerReplica) votes.shift();
  }

  onFlushed({ sequence, digest, signature }: Flushed, from: ReplicaId): void {
    const { core, chain } = this;
    if (sequence <= this.certified || this.voteOf(from, sequence) !== undefined) return;
    const isNear = sequence <= this.lastCommitted || core.log.recordable(sequence);
    if (!isNear) return core.outbox.reject('flushed outside the water marks');
    const own = chain.at(sequence);
    if (own !== undefined && !sameDigest(own, digest)) return core.outbox.suspect(from, 'flushed with another digest');
    this.add({ sequence, digest, replica: from, signature, valid: undefined });
    if (own === undefined) return;
    this.joined[from] = (this.joined[from] ?? 0) + 1;
    if (this.joined[from] <= FlushingLimits.joinedPerTick) this.want(sequence);
    this.certify(sequence, digest);
  }

  /** Makes the certificate, if 2f+1 have said so; only then signatures are looked at. */
  private certify(sequence: SequenceNumber, digest: Digest): void {
    const { configuration, authentication, outbox } = this.core;
    const { quorum } = configuration;
    const matching = this.votes
      .flat()
      .filter((vote) => vote.sequence === sequence && sameDigest(vote.digest, digest) && vote.valid !== false);
    if (matching.length < quorum) return;
    const valid: Vote[] = [];
    for (const vote of matching) {
      vote.valid ??= authentication.verifyFlushed(sequence, digest, vote.replica, vote.signature);
      if (vote.valid) valid.push(vote);
      else outbox.suspect(vote.replica, 'flushed with a wrong signature');
      if (valid.length === quorum) break;
    }
    if (valid.length < quorum) return;
    const signatures = valid.map(({ replica, signature }) => ({ replica, signature }));
    this.adopt({ sequence, digest, signatures });
  }

  onCertificate({ certificate }: FlushedCertificate, from: ReplicaId): void {
    const { configuration, authentication, outbox } = this.core;
    if (certificate.sequence <= this.certified) return;
    this.looked[from] = (this.looked[from] ?? 0) + 1;
    if (this.looked[from] > FlushingLimits.certificatesPerTick) return outbox.reject('too many flush certificates');
    if (!isFlushCertificate(certificate, configuration, authentication)) {
      return outbox.suspect(from, 'invalid flush certificate');
    }
    this.adopt(certificate);
  }

  private adopt(certificate: FlushCertificate): void {
    const { sequence, digest } = certificate;
    const own = this.chain.at(sequence);
    assert(
      own === undefined || sameDigest(own, digest),
      `2f+1 flushed something else than this replica at ${sequence}`,
    );
    this.certificate = certificate;
    this.core.outbox.persist({ kind: 'flushed', certificate });
    this.keep(certificate);
    this.toSay = this.toSay.filter((each) => each.sequence > sequence);
    this.votes.forEach((votes, replica) => {
      this.votes[replica] = votes.filter((vote) => vote.sequence > sequence);
    });
  }

  private keep({ sequence }: FlushCertificate): void {
    this.toKeep.push({ flush: this.core.outbox.flush(), sequence });
  }

  private release(): void {
    for (const [key, { to, reply, durableAt }] of this.held) {
      if (durableAt > this.onDisk) continue;
      this.held.delete(key);
      this.core.outbox.reply(to, reply);
    }
  }

  /** Sends a replica with that highest certificate a higher one, or else what makes one. */
  resend(to: ReplicaId, lastFlushed: SequenceNumber): void {
    const { outbox, configuration } = this.core;
    const { certificate } = this;
    if (certificate !== undefined && certificate.sequence > lastFlushed) {
      outbox.send(to, { kind: 'flushed-certificate', certificate });
    }
    for (const { sequence, digest, signature } of this.votes[configuration.id] ?? []) {
      if (sequence > lastFlushed) outbox.send(to, { kind: 'flushed', sequence, digest, signature });
    }
  }
}

/** Whether 2f+1 distinct replicas signed it. */
export function isFlushCertificate(
  { sequence, digest, signatures }: FlushCertificate,
  configuration: Configuration,
  authentication: Authentication,
): boolean {
  if (sequence < 1) return false;
  return isSignedByQuorum(signatures, configuration, (replica, signature) =>
    authentication.verifyFlushed(sequence, digest, replica, signature),
  );
}
