/** Where the batches of the journal are, and which of them committed: for replicas that lag. */
import type { SequenceNumber } from '../../src/pbft/messages.js';
import { RecordKind } from './records.js';
import type { Segment } from './segment.js';

/** Of a record's payload. */
export interface Location {
  segment: Segment;
  offset: number;
  length: number;
  /** As a string, one character a byte: a small buffer would keep alive the pool it was cut from, for as long as the index. */
  digest: string;
}

/** What is known of one sequence number. */
interface Indexed {
  batches: Location[];
  committed: string | undefined;
  /** Of the last prepared record. What commits without a record of its own is what prepared last. */
  prepared: string | undefined;
  /** Records may be missing since: it may be that something else prepared, and committed. */
  uncertain: boolean;
}

export class BatchIndex {
  private readonly bySequence = new Map<SequenceNumber, Indexed>();

  get size(): number {
    return this.bySequence.size;
  }

  /** Takes note of a record that is in the journal. */
  note(kind: number, sequence: SequenceNumber, location: Location): void {
    const holdsBatch = kind === RecordKind.PrePrepared || kind === RecordKind.CommittedBatch;
    const commits = kind === RecordKind.Committed || kind === RecordKind.CommittedBatch;
    if (!holdsBatch && !commits && kind !== RecordKind.Prepared) return;
    let indexed = this.bySequence.get(sequence);
    if (indexed === undefined) {
      indexed = { batches: [], committed: undefined, prepared: undefined, uncertain: false };
      this.bySequence.set(sequence, indexed);
    }
    if (holdsBatch) indexed.batches.push(location);
    if (commits) indexed.committed = location.digest;
    if (kind === RecordKind.Prepared) {
      indexed.prepared = location.digest;
      indexed.uncertain = false;
    }
  }

  /**
   * Records may be missing: whether what prepared last at a number above `known` committed there, they do not tell.
   */
  forgetPrepared(known: SequenceNumber): void {
    for (const [sequence, indexed] of this.bySequence) if (sequence > known) indexed.uncertain = true;
  }

  /** Digest of the batch that committed there, if any did. */
  committed(sequence: SequenceNumber): string | undefined {
    const indexed = this.bySequence.get(sequence);
    return indexed?.committed ?? (indexed?.uncertain ? undefined : indexed?.prepared);
  }

  /** Digest of the batch that committed there, or prepared there last, as far as the records tell. */
  ordered(sequence: SequenceNumber): string | undefined {
    const indexed = this.bySequence.get(sequence);
    return indexed?.committed ?? indexed?.prepared;
  }

  /** Where a batch is that was pre-prepared there, or committed. @param digest one character a byte */
  find(sequence: SequenceNumber, digest: string): Location | undefined {
    return this.bySequence.get(sequence)?.batches.find((each) => each.digest === digest);
  }

  /** A segment is no more. */
  forget(gone: Segment): void {
    for (const [sequence, indexed] of this.bySequence) {
      indexed.batches = indexed.batches.filter(({ segment }) => segment !== gone);
      if (indexed.batches.length === 0 && sequence <= gone.maxSequence) this.bySequence.delete(sequence);
    }
  }
}
