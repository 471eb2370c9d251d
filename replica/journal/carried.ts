/**
 * The records that every segment starts with, being wanted however old they are: the last stable certificate, this
 * replica's checkpoints from there on, the last flush certificate, its last view-change, the last new-view, which
 * incarnation it is in, whether it recovers, and its epoch.
 */
import type { JournalRecord } from '../../src/pbft/ports.js';

interface Carried {
  record: JournalRecord;
  /** Which of the records with the same purpose is the latest. */
  rank: number;
  /** Number of the last segment it is in. */
  segment: number;
}

export class CarriedRecords {
  /** By purpose, in the order in which they were written. */
  private readonly byPurpose = new Map<string, Carried>();

  /** @param segment number of the segment that the record is in */
  remember(record: JournalRecord, segment: number): void {
    switch (record.kind) {
      case 'checkpoint':
        return this.put(checkpointAt(record.checkpoint.sequence), { record, rank: 0, segment });
      case 'stable': {
        const { sequence } = record.certificate;
        this.put('stable', { record, rank: sequence, segment });
        for (const [purpose, { record }] of this.byPurpose) {
          if (record.kind === 'checkpoint' && record.checkpoint.sequence < sequence) this.byPurpose.delete(purpose);
        }
        return;
      }
      case 'flushed':
        return this.put(record.kind, { record, rank: record.certificate.sequence, segment });
      case 'recovering':
      case 'recovered':
        return this.put('recovery', { record, rank: 0, segment });
      case 'incarnation': {
        const recovery = this.byPurpose.get('recovery')?.record;
        // It is over with the incarnation, and what follows was forgotten by nobody.
        if (recovery?.kind === 'recovering' && !recovery.diskLost) this.byPurpose.delete('recovery');
        return this.put(record.kind, { record, rank: record.message.incarnation, segment });
      }
      case 'epoch':
        return this.put(record.kind, { record, rank: record.epoch, segment });
      case 'view-change':
      case 'new-view':
        return this.put(record.kind, { record, rank: record.message.view, segment });
    }
  }

  private put(purpose: string, carried: Carried): void {
    const latest = this.byPurpose.get(purpose);
    if (latest !== undefined && latest.rank > carried.rank) return;
    this.byPurpose.delete(purpose);
    this.byPurpose.set(purpose, carried);
  }

  /** Those that are not in that segment. */
  lacking(segment: number): JournalRecord[] {
    const lacking: JournalRecord[] = [];
    for (const carried of this.byPurpose.values()) if (carried.segment !== segment) lacking.push(carried.record);
    return lacking;
  }
}

const checkpointAt = (sequence: number): string => `checkpoint ${sequence}`;
