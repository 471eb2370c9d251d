import { digestKey } from '../../../src/pbft/digests.js';
import type { Digest, SequenceNumber } from '../../../src/pbft/messages.js';
import { Violation } from '../violation.js';

interface Agreed {
  content: string;
  appended: readonly string[];
  by: string;
}

/**
 * No two correct replicas commit different batches at one sequence number; nor one replica, before and after a restart.
 * Looks at what their states committed, and at the digests on record as committed.
 */
export class Agreement {
  private readonly contents = new Map<SequenceNumber, Agreed>();
  private readonly digests = new Map<SequenceNumber, { digest: string; by: string }>();
  private readonly roots = new Map<SequenceNumber, { root: string; by: string }>();

  /** @returns whether nobody had committed that number before; replicas commit in order, so it is the highest */
  committed(by: string, sequence: SequenceNumber, content: string, appended: readonly string[]): boolean {
    const agreed = this.contents.get(sequence);
    if (agreed === undefined) this.contents.set(sequence, { content, appended, by });
    else if (agreed.content !== content) {
      const both = `${agreed.by} committed [${agreed.content}], ${by} [${content}]`;
      throw new Violation('agreement', `at ${sequence}: ${both}`);
    }
    return agreed === undefined;
  }

  recorded(by: string, sequence: SequenceNumber, digest: Digest): void {
    const key = digestKey(digest);
    const agreed = this.digests.get(sequence);
    if (agreed === undefined) this.digests.set(sequence, { digest: key, by });
    else if (agreed.digest !== key) {
      throw new Violation(
        'agreement',
        `at ${sequence}: ${agreed.by} and ${by} recorded different batches as committed`,
      );
    }
  }

  /** What a correct replica says that its state is at a checkpoint. */
  checkpoint(by: string, sequence: SequenceNumber, digest: Digest): void {
    const root = digestKey(digest);
    const agreed = this.roots.get(sequence);
    if (agreed === undefined) this.roots.set(sequence, { root, by });
    else if (agreed.root !== root) {
      throw new Violation('agreement', `${agreed.by} and ${by} signed different states at ${sequence}`);
    }
  }

  /** Where an operation was executed that stands in one batch only. */
  sequenceOf(operation: string): SequenceNumber | undefined {
    for (const [sequence, { content }] of [...this.contents].reverse()) {
      if (content.includes(` ${operation}=`)) return sequence;
    }
    return undefined;
  }

  get highest(): SequenceNumber {
    return Math.max(0, ...this.contents.keys());
  }

  /** The appended tokens in the order agreed. */
  get list(): string[] {
    const sequences = [...this.contents.keys()].sort((a, b) => a - b);
    return sequences.flatMap((sequence) => [...this.contents.get(sequence)!.appended]);
  }
}
