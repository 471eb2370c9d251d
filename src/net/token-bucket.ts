/** Milliseconds of a clock that never goes back. */
export type Clock = () => number;

const localClock: Clock = () => performance.now();

/**
 * So many tokens a second, and no more than `burst` kept. What is taken may cost more than there is: the debt is then waited
 * for, so that nothing is too large to pass.
 */
export class TokenBucket {
  private tokens: number;
  private countedMs: number;

  constructor(
    private readonly perSecond: number,
    private readonly burst: number,
    private readonly now = localClock,
  ) {
    this.tokens = burst;
    this.countedMs = now();
  }

  /** Takes `cost` if a whole token is there. */
  take(cost: number): boolean {
    if (this.count() < 1) return false;
    this.tokens -= cost;
    return true;
  }

  /** Takes `cost` in any case. */
  charge(cost: number): void {
    this.count();
    this.tokens -= cost;
  }

  /** Until `take` succeeds, if nobody else takes anything: milliseconds, rounded up. */
  get waitMs(): number {
    return Math.max(0, Math.ceil((1000 * (1 - this.count())) / this.perSecond));
  }

  get isFull(): boolean {
    return this.count() === this.burst;
  }

  private count(): number {
    const now = this.now();
    this.tokens = Math.min(this.burst, this.tokens + ((now - this.countedMs) * this.perSecond) / 1000);
    this.countedMs = now;
    return this.tokens;
  }
}
