/** How long what was learnt of the service may be answered from memory. */

/**
 * The kernel counts a time limit from when it has the answer, and what it let through may be long on its way here: for so
 * much longer than it was told it is taken to remember.
 */
export const LATE_MS = 60_000;

/** … and where somebody waits for that, so much. */
const WAITED_FOR_MS = 1_000;

/** How long after a lock a kernel that cannot be told to forget names is given none to remember. */
const NAMELESS_MS = 60_000;

/**
 * For so long after it was asked for, and not across a lock: whoever gets one sees what others did before it. Clocks are
 * those of `performance.now()`; `until` is when a call was made, and the time limit.
 */
export class Freshness {
  /** What ends before was asked for before the last lock was granted. */
  private floor = 0;
  /** Clock until which the kernel may answer from some name by itself, and until which it is given none. */
  private namesUntil = 0;
  private namelessUntil = 0;

  constructor(private readonly ms: number) {}

  /** Clock until which what a call made now returns may be answered. */
  until(): number {
    return performance.now() + this.ms;
  }

  /** Milliseconds for which it may still be answered. */
  left(until: number): number {
    return until < this.floor ? 0 : Math.max(0, until - performance.now());
  }

  /** Milliseconds for which the kernel may find, or miss, a name without asking. */
  leftOfName(until: number): number {
    const now = performance.now();
    if (now < this.namelessUntil) return 0;
    const left = this.left(until);
    if (left > 0) this.namesUntil = Math.max(this.namesUntil, now + left + WAITED_FOR_MS);
    return left;
  }

  /** Nothing that was asked for before is answered any more. @returns until when what is learnt at this moment may be */
  restart(): number {
    this.floor = this.until();
    return this.floor;
  }

  /** Resolves when no name is left that the kernel, which cannot be told, remembers. */
  async namesExpired(): Promise<void> {
    const now = performance.now();
    this.namelessUntil = now + NAMELESS_MS;
    const left = this.namesUntil - now;
    if (left > 0) await new Promise((resolve) => setTimeout(resolve, Math.ceil(left)));
  }
}
