/**
 * Tells our own changes of an inode from others'. The change counter (RFC 8881 §5.8.1.4) rises by one with every
 * change, so as long as each value after a known one was returned to a change of this mount, nobody else has changed
 * anything since. Replies may come in any order, since changes that commute are outstanding together.
 */

/** Own changes known ahead of a missing one; more than that is not worth remembering. */
const MAX_AHEAD = 256;
const BROKEN = -1;

export class ChangeChain {
  private known = BROKEN;
  /** Made when first needed: most inodes never have two changes outstanding. */
  private ahead: Set<number> | undefined;
  private breaks = 0;

  /** What is remembered is what the service had at this value. */
  restart(change: number): void {
    this.known = change;
    this.ahead = undefined;
  }

  /** What is remembered cannot be trusted, whatever is returned from now on. */
  break(): void {
    this.known = BROKEN;
    this.ahead = undefined;
    this.breaks++;
  }

  /** This moment, for `restartSince`. */
  get mark(): number {
    return this.breaks;
  }

  /** As `restart`, for what began to be remembered at `mark`, unless that was found not to be trusted since. */
  restartSince(mark: number, change: number): void {
    if (mark === this.breaks) this.restart(change);
  }

  /** One change of this mount left the counter at `change`. */
  own(change: number): void {
    if (this.known === BROKEN || change <= this.known) return;
    if (change !== this.known + 1) {
      this.ahead ??= new Set();
      if (this.ahead.size >= MAX_AHEAD) this.break();
      else this.ahead.add(change);
      return;
    }
    this.known = change;
    while (this.ahead?.delete(this.known + 1)) this.known++;
  }

  /** Whether others have changed what is remembered, if the service now has it at `change`. */
  isBehind(change: number): boolean {
    return this.known !== BROKEN && this.known !== change;
  }

  /** Whether everything up to `change` was known or our own. */
  reaches(change: number): boolean {
    return this.known === change;
  }
}
