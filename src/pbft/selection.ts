import type { Configuration } from './configuration.js';
import { sameDigest } from './digests.js';
import { incarnationOf, startOf } from './incarnation.js';
import type { CheckpointCertificate, Digest, OrderedBatch, SequenceNumber, ViewChange } from './messages.js';

/** What a new view starts from: a stable checkpoint, and what is re-proposed above it. */
export interface Selection {
  /** Sequence number of the highest stable checkpoint among the view-changes. */
  start: SequenceNumber;
  certificate: CheckpointCertificate | undefined;
  /** For `start` + 1 and on, the digest of the batch re-proposed there; undefined for the null request. */
  chosen: (Digest | undefined)[];
}

/** h: where there is no stable checkpoint yet, the number below the first of the incarnation. */
export const checkpointOf = ({ certificate, view }: ViewChange): SequenceNumber =>
  certificate?.sequence ?? startOf(incarnationOf(view));

/**
 * The decision of the new view's primary, which every backup makes again from the same view-changes (TOCS '02 §4.5.2).
 *
 * For each n above the start, the batch with digest d is chosen if some view-change has (n, d, v) in P and
 *   A1. 2f+1 have in P for n nothing, or a view below v, or v with d: nothing else can have committed since;
 *   A2. f+1 have (n, d, v′) with v′ ≥ v in Q: a correct replica pre-prepared it, so it is no invention.
 * The null request is chosen if (B) 2f+1 have nothing for n in P. Where both an A and B hold, or several A, nothing
 * committed at n below them, and any choice is safe; it must only be everyone's: the highest view first.
 *
 * The start is a certified checkpoint, so that no h in a valid view-change is above it: each speaks for every n.
 *
 * @param viewChanges valid ones for one view, of distinct replicas
 * @returns undefined where the view-changes do not yet decide
 */
export function select(
  viewChanges: readonly ViewChange[],
  { quorum, weakQuorum }: Configuration,
): Selection | undefined {
  if (viewChanges.length < quorum) return undefined;
  let start = startOf(incarnationOf(viewChanges[0].view));
  let certificate: CheckpointCertificate | undefined;
  let last = 0;
  for (const message of viewChanges) {
    if (checkpointOf(message) > start) {
      start = checkpointOf(message);
      certificate = message.certificate;
    }
    for (const { sequence } of message.prepared) last = Math.max(last, sequence);
  }
  const prepared = viewChanges.map((message) => new Map(message.prepared.map((each) => [each.sequence, each])));
  const prePrepared = viewChanges.map((message) => bySequence(message.prePrepared));
  const chosen: (Digest | undefined)[] = [];
  for (let sequence = start + 1; sequence <= last; sequence++) {
    const claims = prepared.map((each) => each.get(sequence));
    const candidate = highest(
      claims.filter((claim) => claim !== undefined && holdsA1(claim, claims) && holdsA2(claim)),
    );
    if (candidate === undefined && claims.filter((claim) => claim === undefined).length < quorum) return undefined;
    chosen.push(candidate?.digest);
  }
  while (chosen.length > 0 && chosen[chosen.length - 1] === undefined) chosen.pop();
  return { start, certificate, chosen };

  function holdsA1({ view, digest }: OrderedBatch, claims: (OrderedBatch | undefined)[]): boolean {
    const agreeing = claims.filter(
      (other) => other === undefined || other.view < view || (other.view === view && sameDigest(other.digest, digest)),
    );
    return agreeing.length >= quorum;
  }

  function holdsA2({ sequence, view, digest }: OrderedBatch): boolean {
    const vouching = prePrepared.filter((each) =>
      each.get(sequence)?.some((other) => other.view >= view && sameDigest(other.digest, digest)),
    );
    return vouching.length >= weakQuorum;
  }
}

function bySequence(batches: readonly OrderedBatch[]): Map<SequenceNumber, OrderedBatch[]> {
  const map = new Map<SequenceNumber, OrderedBatch[]>();
  for (const each of batches) {
    const same = map.get(each.sequence);
    if (same === undefined) map.set(each.sequence, [each]);
    else same.push(each);
  }
  return map;
}

/** Of the latest view; between equals, so that all choose alike, the one whose digest sorts first. */
function highest(claims: (OrderedBatch | undefined)[]): OrderedBatch | undefined {
  let best: OrderedBatch | undefined;
  for (const claim of claims) {
    if (claim === undefined) continue;
    const later = best === undefined || claim.view > best.view;
    if (later || (claim.view === best!.view && Buffer.compare(claim.digest, best!.digest) < 0)) best = claim;
  }
  return best;
}
