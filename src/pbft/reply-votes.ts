import { digestKey } from './digests.js';
import { type Digest, type ReplicaId, type Reply, ReplyStatus } from './messages.js';

/** One answer, and who gave it. */
interface Candidate {
  status: number;
  result: Uint8Array | undefined;
  digest: string | undefined;
  voters: Set<ReplicaId>;
}

/** An answer that a quorum agrees on; `result` is undefined while only its digest is known. */
export interface Agreed {
  status: number;
  result: Uint8Array | undefined;
}

/** The replicas' answers to one call. Each replica has one, its latest; only matching ones count (trap 10). */
export class ReplyVotes {
  private readonly candidates: Candidate[] = [];

  constructor(private readonly resultDigest: (result: Uint8Array) => Digest) {}

  add(reply: Reply, from: ReplicaId): void {
    for (const candidate of this.candidates) candidate.voters.delete(from);
    const match = this.candidates.find((candidate) => this.matches(candidate, reply));
    if (match === undefined) {
      this.candidates.push({
        status: reply.status,
        result: reply.result,
        digest: reply.resultDigest && digestKey(reply.resultDigest),
        voters: new Set([from]),
      });
    } else {
      match.voters.add(from);
      match.result ??= reply.result;
    }
  }

  private matches(candidate: Candidate, reply: Reply): boolean {
    if (candidate.status !== reply.status) return false;
    const { result, resultDigest } = reply;
    if (candidate.result !== undefined && result !== undefined) {
      return Buffer.compare(candidate.result, result) === 0;
    }
    if (result === undefined && resultDigest === undefined) {
      return candidate.result === undefined && candidate.digest === undefined;
    }
    if (candidate.result === undefined && candidate.digest === undefined) return false;
    candidate.digest ??= digestKey(this.resultDigest(candidate.result!));
    return candidate.digest === digestKey(resultDigest ?? this.resultDigest(result!));
  }

  agreed(quorum: number): Agreed | undefined {
    for (const candidate of this.candidates) {
      if (candidate.voters.size < quorum) continue;
      const { status, result } = candidate;
      return { status, result };
    }
    return undefined;
  }

  /** Whether an answer can still find its quorum if all of `unheard` more replicas join it. */
  possible(quorum: number, unheard: number): boolean {
    return this.candidates.some((candidate) => candidate.voters.size + unheard >= quorum) || unheard >= quorum;
  }

  heard(replica: ReplicaId): boolean {
    return this.candidates.some((candidate) => candidate.voters.has(replica));
  }

  /** Replicas whose answer differs from the agreed one: late, or wrong. */
  dissenters(quorum: number): ReplicaId[] {
    const others = this.candidates.filter((candidate) => candidate.voters.size < quorum);
    return others.flatMap((candidate) => [...candidate.voters]);
  }
}

export const hasResult = (agreed: Agreed): boolean => agreed.status !== ReplyStatus.Ok || agreed.result !== undefined;
