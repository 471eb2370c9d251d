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

  /** What committed, and was lost with more than f memories: after the first, up to the second of each. */
  private readonly lost: { after: SequenceNumber; upTo: SequenceNumber }[] = [];

  /** An incarnation begins, with that batch, from the state after another. */
  begins(sequence: SequenceNumber, after: SequenceNumber): void {
    this.lost.push({ after, upTo: sequence - 1 });
  }

  private isLost(sequence: SequenceNumber): boolean {
    return this.lost.some(({ after, upTo }) => sequence > after && sequence <= upTo);
  }

  /** Numbers that committed, and were not lost, in order. */
  private get sequences(): SequenceNumber[] {
    return [...this.contents.keys()].filter((sequence) => !this.isLost(sequence)).sort((a, b) => a - b);
  }

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
      if (content.includes(` ${operation}=`) && !this.isLost(sequence)) return sequence;
    }
    return undefined;
  }

  get highest(): SequenceNumber {
    return this.sequences.at(-1) ?? 0;
  }

  /** The appended tokens in the order agreed. */
  get list(): string[] {
    return this.sequences.flatMap((sequence) => [...this.contents.get(sequence)!.appended]);
  }
}
