/** Passes over the state, one after the other, in the background of a replica that works. */
import type { SequenceNumber } from '../src/pbft/messages.js';
import type { FileState } from './state/index.js';
import type { Scrub } from './state/scrub.js';

/** How much of one core passes take: in the background, and while someone waits for one. */
const SHARE = { background: 0.02, asked: 0.5 };
/** A slice: messages wait no longer than this, and a step, for it. */
const SLICE_MS = 4;
/** From the end of a pass to the beginning of the next. */
const BETWEEN_PASSES_MS = 60 * 60 * 1000;
/** From the start of a replica to its first pass: it has to catch up first. */
const FIRST_PASS_MS = 5_000;
/** While the state is none that can be looked through. */
const RETRY_MS = 500;

/** What passes of this process have found, of one state after the other. */
export class ScrubTally {
  /** Rows looked at in the last complete pass. */
  rows = 0;
  /** Rows that were found altered, gone or there without having been written. */
  damaged = 0;
  /** Of them, those that were made good, and a complete pass has found so. */
  repaired = 0;
  /** When the last pass was completed, milliseconds since 1970. */
  lastPass: number | null = null;
  passes = 0;
  /** A pass was asked for and is not complete. */
  asked = false;
}

/** In `byzfs status --json`. */
export interface ScrubStatus extends ScrubTally {
  /** Rows looked at in the pass under way; null between passes. */
  current: number | null;
}

export interface ScrubberPorts {
  state: FileState;
  tally: ScrubTally;
  /** Runs what may find this replica unable to go on. */
  guard(action: () => void): void;
  /** Whether the state is, or is about to be, what the others have: before that a pass means little. */
  isCaughtUp(): boolean;
  /** The last stable checkpoint and its root in hex; undefined before the first. */
  certified(): { sequence: SequenceNumber; root: string } | undefined;
  onDamage(what: string): void;
}

export class Scrubber {
  private pass: Scrub | undefined;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly ports: ScrubberPorts) {}

  start(): void {
    this.schedule(this.ports.tally.asked ? 0 : FIRST_PASS_MS);
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  /** A whole pass begins now, and is made quickly. */
  ask(): void {
    const { tally } = this.ports;
    if (tally.asked) return;
    tally.asked = true;
    this.pass = undefined;
    this.schedule(0);
  }

  get status(): ScrubStatus {
    return { ...this.ports.tally, current: this.pass?.rows ?? null };
  }

  private schedule(delayMs: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.ports.guard(() => this.slice()), delayMs);
  }

  private slice(): void {
    const { state, tally } = this.ports;
    if (!state.isScrubbable || (this.pass === undefined && !this.ports.isCaughtUp())) {
      // It becomes another, which is then looked through from the beginning.
      this.pass = undefined;
      return this.schedule(RETRY_MS);
    }
    this.pass ??= state.scrub();
    const { pass } = this;
    const start = performance.now();
    let complete = false;
    while (!complete && pass.damaged === 0 && performance.now() - start < SLICE_MS) complete = pass.step();
    const damage = pass.damaged > 0 ? 'rows of it were altered' : complete ? this.contradiction() : undefined;
    if (damage !== undefined) {
      this.pass = undefined;
      this.ports.onDamage(damage);
      return this.schedule(RETRY_MS);
    }
    if (complete) this.complete(pass);
    if (this.pass === undefined) return this.schedule(BETWEEN_PASSES_MS);
    const spent = performance.now() - start;
    this.schedule(spent / (tally.asked ? SHARE.asked : SHARE.background) - spent);
  }

  /** Rows and tree may agree, and be those of an earlier state. */
  private contradiction(): string | undefined {
    const certified = this.ports.certified();
    const root = certified && this.ports.state.rootAt(certified.sequence);
    if (root === undefined || Buffer.from(root).toString('hex') === certified?.root) return undefined;
    return `its checkpoint ${certified?.sequence} is not the certified one`;
  }

  private complete({ rows }: Scrub): void {
    const { tally } = this.ports;
    this.pass = undefined;
    tally.rows = rows;
    tally.repaired = tally.damaged;
    tally.lastPass = Date.now();
    tally.passes++;
    tally.asked = false;
  }
}
