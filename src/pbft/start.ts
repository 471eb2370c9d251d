/** From which point an incarnation begins: what 2f+1 replicas can show, as a pure function of it (DESIGN 3.11). */
import { Limits } from '../limits.js';
import { isCheckpointCertificate } from './certificates.js';
import type { Configuration } from './configuration.js';
import { GENESIS } from './digest-chain.js';
import { sameDigest } from './digests.js';
import { isFlushCertificate } from './flushing.js';
import type { Digest, FlushCertificate, Numbered, SequenceNumber, StartReport } from './messages.js';
import type { Authentication } from './ports.js';

/** A state, as a checkpoint and the batches after it. */
export interface Start {
  /** Of the checkpoint. */
  base: SequenceNumber;
  /** Of its state; undefined for the initial one, at 0. */
  stateDigest: Digest | undefined;
  /** The batches after it, in order. */
  ordered: Digest[];
  /** The digest chain at `base` and after each of them (digest-chain.ts). */
  chain: Digest[];
}

/** The sequence number whose state it is. */
export const endOf = ({ base, ordered }: Start): SequenceNumber => base + ordered.length;

/**
 * Of all that the reports have a certificate for, a stable checkpoint or a flush certificate, the highest. Both say that
 * f+1 correct replicas had all up to it on stable storage; an answered fsync, that as many had the certificate there too.
 * So one of either is among any 2f+1 replicas of which f at most are faulty or have lost their disks, and nothing that was fsynced is passed over.
 *
 * @param reports valid ones (`isReport`) of 2f+1 replicas or more
 * @returns undefined if none of them tells what the highest certificate is about: then more must be heard
 */
export function chooseStart(
  reports: readonly StartReport[],
  authentication: Pick<Authentication, 'chainDigest'>,
): Start | undefined {
  let flushed: FlushCertificate | undefined;
  let highest: Start = { base: 0, stateDigest: undefined, ordered: [], chain: [GENESIS] };
  for (const { certificate, flushed: each } of reports) {
    if (certificate !== undefined && certificate.sequence > highest.base) {
      const { sequence, stateDigest } = certificate;
      highest = { base: sequence, stateDigest, ordered: [], chain: [stateDigest] };
    }
    if (each !== undefined && each.sequence > (flushed?.sequence ?? 0)) flushed = each;
  }
  if (flushed === undefined || flushed.sequence <= highest.base) return highest;
  for (const report of reports) {
    const start = unfold(flushed, report, authentication);
    if (start !== undefined) return start;
  }
  return undefined;
}

/** What the certificate is about, as that report has it, if so it comes to the certified digest. */
function unfold(
  { sequence, digest }: FlushCertificate,
  { certificate, checkpoints, ordered }: StartReport,
  authentication: Pick<Authentication, 'chainDigest'>,
): Start | undefined {
  const base = sequence - (sequence % Limits.checkpointInterval);
  if (base === sequence) return { base, stateDigest: digest, ordered: [], chain: [digest] };
  const certified = certificate?.sequence === base ? certificate.stateDigest : undefined;
  const stateDigest = certified ?? find(checkpoints, base);
  if (stateDigest === undefined && base > 0) return undefined;
  const start: Start = { base, stateDigest, ordered: [], chain: [stateDigest ?? GENESIS] };
  for (let each = base + 1; each <= sequence; each++) {
    const batch = find(ordered, each);
    if (batch === undefined) return undefined;
    start.ordered.push(batch);
    start.chain.push(authentication.chainDigest(start.chain[start.chain.length - 1], each, batch));
  }
  return sameDigest(start.chain[start.chain.length - 1], digest) ? start : undefined;
}

const find = (numbered: readonly Numbered[], at: SequenceNumber): Digest | undefined =>
  numbered.find(({ sequence }) => sequence === at)?.digest;

/** Whether its sender can have meant it, for that incarnation. */
export function isReport(
  report: StartReport,
  incarnation: number,
  configuration: Configuration,
  authentication: Authentication,
): boolean {
  const { replica, certificate, flushed, checkpoints, ordered } = report;
  if (report.incarnation !== incarnation || replica >= configuration.n) return false;
  if (ordered.length > Limits.reportedBatches || checkpoints.length > Limits.reportedCheckpoints) return false;
  if (!authentication.verifyReport(report)) return false;
  if (certificate !== undefined && !isCheckpointCertificate(certificate, configuration, authentication)) return false;
  return flushed === undefined || isFlushCertificate(flushed, configuration, authentication);
}

/** Whether an incarnation may begin from these: of 2f+1 distinct replicas, in order of their ids, and enough to choose by. */
export function areReports(
  reports: readonly StartReport[],
  incarnation: number,
  configuration: Configuration,
  authentication: Authentication,
): boolean {
  if (reports.length < configuration.quorum) return false;
  if (reports.some(({ replica }, i) => i > 0 && replica <= reports[i - 1].replica)) return false;
  if (!reports.every((report) => isReport(report, incarnation, configuration, authentication))) return false;
  return chooseStart(reports, authentication) !== undefined;
}
