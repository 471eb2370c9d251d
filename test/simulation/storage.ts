/** What a replica's host keeps its state and its journal in: stand-ins in memory, or the real ones (real/storage.ts). */
import type { Digest, FlushCertificate, SequenceNumber } from '../../src/pbft/messages.js';
import type { History, JournalRecord, ReplicatedState } from '../../src/pbft/ports.js';
import type { Random } from './random.js';

/** A state of list, registers and sessions (list-service.ts), and what may become of it. */
export interface SimulatedState extends ReplicatedState {
  readonly isTentative: boolean;
  /** What a register holds; undefined: nothing. */
  register(key: string): string | undefined;
  /** All up to here would be left of it if the power were lost. */
  readonly flushedUpTo: SequenceNumber;
  /** Called at each commit with the sequence number, a text that says what was executed, and the tokens appended. */
  onCommit: ((sequence: SequenceNumber, content: string, appended: readonly string[]) => void) | undefined;
  onRollback: ((sequence: SequenceNumber) => void) | undefined;
  onInstalled: ((sequence: SequenceNumber) => void) | undefined;
  /**
   * Makes permanent all that has committed; a tentative batch is not written.
   * @param flushed on stable storage too
   */
  commit(flushed?: boolean): void;
  /** The process dies. */
  crash(): void;
  /** The machine loses power, once the process is dead. */
  losePower(): void;
  /** As it is now, the process being dead. @returns what makes it so again */
  backUp(): () => void;
  /** The disk alters a row, and a pass over all of them finds that. */
  decay?(): void;
  /** Digest of all rows as they are; undefined: some are known to be damaged. */
  audit(): Digest | undefined;
}

/** A journal, and what may become of it. */
export interface SimulatedDisk extends History {
  /** How much was appended, in some measure. */
  readonly length: number;
  full: boolean;
  /** For records that are written with the next ones, or by the shell's timer. */
  note(records: readonly JournalRecord[]): void;
  /** Hands the records, after the notes before them, to the operating system. */
  append(records: readonly JournalRecord[]): void;
  /** Puts what was appended up to that length on stable storage. */
  flush(length?: number): void;
  /** The process dies. */
  kill(): void;
  /** The machine loses power, once the process is dead. */
  losePower(random: Random): void;
  /** As it is now, the process being dead. @returns what makes it so again */
  backUp(): () => void;
  /** A record changes on the disk. */
  rot(): void;
  /**
   * What a restarted replica is given: in the order written, without what is about numbers up to `after`.
   * @throws DiskFailure
   */
  recover(after: SequenceNumber): JournalRecord[];
  /** The last stable checkpoint on record, as of the start. */
  readonly stable: SequenceNumber;
  /** What stands there about numbers up to `needed` only may be let go of. */
  prune?(needed: SequenceNumber): void;
  /** What would be left of it if the power were lost and nothing but what was flushed remained. */
  readonly flushedPart: FlushedPart;
}

export interface FlushedPart {
  /** Whether the batch that committed there is on record, however long ago. */
  holds(sequence: SequenceNumber): boolean;
  /** The highest flush certificate on record. */
  readonly flushCertificate: FlushCertificate | undefined;
}

/** Something that outlives the process: before and after each of these it may die. */
export type Write = 'journal' | 'commit' | 'staging' | 'install';

export interface Storage {
  state: SimulatedState;
  disk: SimulatedDisk;
}
