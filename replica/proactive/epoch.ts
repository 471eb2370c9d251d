/**
 * The number of a process of a replica, in its handshakes: higher than that of any before it, whose links and keys others
 * then have nothing more to do with (src/net/epochs.ts). The time of its start, so that a lost disk forgets nothing that
 * matters; on record, so that a clock that is put back a little does not make it lower.
 */
import { Limits } from '../../src/limits.js';
import type { JournalRecord } from '../../src/pbft/ports.js';

export type EpochRecord = Extract<JournalRecord, { kind: 'epoch' }>;

/**
 * @param recovered what the journal held
 * @param nowMs milliseconds since 1970
 */
export function nextEpoch(recovered: readonly JournalRecord[], nowMs: number): EpochRecord {
  const last = recovered.findLast((record): record is EpochRecord => record.kind === 'epoch');
  const { epoch = 0, recoveries = 0, recoveredAt = 0 } = last ?? {};
  // One that is far ahead nobody has accepted, whoever wrote it.
  const isCredible = epoch <= nowMs + Limits.clockSkewMs;
  return { kind: 'epoch', epoch: isCredible ? Math.max(nowMs, epoch + 1) : nowMs, recoveries, recoveredAt };
}
