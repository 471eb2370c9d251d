import { digestKey } from './digests.js';
import { incarnationOf } from './incarnation.js';
import { type Digest, type ReplicaId, type Reply, ReplyStatus, type View } from './messages.js';

/** In place of the view of a tentative reply. */
const COMMITTED = -1;

/** One answer, and who gave it. */
interface Candidate {
  incarnation: number;
  status: number;
  result: Uint8Array | undefined;
  digest: string | undefined;
  /** With the view in which each said so tentatively, or COMMITTED. */
  voters: Map<ReplicaId, View>;
}

/** An answer that a quorum agrees on; `result` is undefined while only its digest is known. */
export interface Agreed {
  /** Of whose history it is. */
  incarnation: number;
  status: number;
  result: Uint8Array | undefined;
}

/**
 * The replicas' answers to one call. Each replica has one, its latest; only matching ones count (trap 10), and of
 * tentative ones only those of one view. Committed ones count beside them: if a correct replica says committed the
 * answer is final, and if none does, those who said so are at most f who might as well have said tentative. Final is
 * what the group has not rolled back since: answers of two incarnations tell of two histories, and never match.
 */
export class ReplyVotes {
  private readonly candidates: Candidate[] = [];

  constructor(private readonly resultDigest: (result: Uint8Array) => Digest) {}

  add(reply: Reply, from: ReplicaId): void {
    const view = reply.tentative ? reply.view : COMMITTED;
    for (const candidate of this.candidates) candidate.voters.delete(from);
    const match = this.candidates.find((candidate) => this.matches(candidate, reply));
    if (match === undefined) {
      this.candidates.push({
        incarnation: incarnationOf(reply.view),
        status: reply.status,
        result: reply.result,
        digest: reply.resultDigest && digestKey(reply.resultDigest),
        voters: new Map([[from, view]]),
      });
    } else {
      match.voters.set(from, view);
      match.result ??= reply.result;
    }
  }

  private matches(candidate: Candidate, reply: Reply): boolean {
    if (candidate.status !== reply.status || candidate.incarnation !== incarnationOf(reply.view)) return false;
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
      if (weight(candidate) < quorum) continue;
      const { incarnation, status, result } = candidate;
      return { incarnation, status, result };
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
    const others = this.candidates.filter((candidate) => weight(candidate) < quorum);
    return others.flatMap((candidate) => [...candidate.voters.keys()]);
  }
}

/** The most votes that count together. */
function weight({ voters }: Candidate): number {
  let committed = 0;
  let most = 0;
  for (const view of voters.values()) {
    if (view === COMMITTED) committed++;
    else {
      let same = 0;
      for (const other of voters.values()) if (other === view) same++;
      most = Math.max(most, same);
    }
  }
  return committed + most;
}

export const hasResult = (agreed: Agreed): boolean => agreed.status !== ReplyStatus.Ok || agreed.result !== undefined;
