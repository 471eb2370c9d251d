import { Limits } from '../limits.js';
import type { Assembly } from './assembly.js';
import type { Numbered, SequenceNumber, StartReport } from './messages.js';

/** All that this replica can show for a point from which `incarnation` may begin, as it leaves the one before. */
export function reportOf({ core, checkpointing, flushing, inheritance }: Assembly, incarnation: number): StartReport {
  const { authentication, configuration } = core;
  // Without a stable checkpoint in its incarnation, it has what it came there with, too.
  const before = checkpointing.certificate === undefined ? inheritance.origin?.report : undefined;
  const ordered: Numbered[] = [];
  for (const entry of core.log.inOrder(checkpointing.certified + 1)) {
    const digest = entry.committed ?? entry.lastPrepared?.digest ?? entry.hinted;
    if (digest !== undefined) ordered.push({ sequence: entry.sequence, digest });
  }
  const report = {
    replica: configuration.id,
    incarnation,
    certificate: checkpointing.certificate ?? before?.certificate,
    flushed: flushing.highest,
    checkpoints: join(before?.checkpoints, checkpointing.ownAbove, Limits.reportedCheckpoints),
    ordered: join(before?.ordered, ordered, Limits.reportedBatches),
  };
  return { ...report, signature: authentication.signReport(report) };
}

const join = (before: readonly Numbered[] | undefined, now: readonly Numbered[], most: number): Numbered[] => {
  const seen = new Map<SequenceNumber, Numbered>();
  for (const each of [...(before ?? []), ...now]) seen.set(each.sequence, each);
  return [...seen.values()].sort((a, b) => a.sequence - b.sequence).slice(-most);
};
