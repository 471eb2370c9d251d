/** The mount's lease: says to the service, now and then, that this mount lives, and what it has open. */
import type { Logger } from 'pino';
import { FileLimits, RENEWAL_SECONDS } from '../src/fileservice/types.js';
import type { MountContext } from './mount-context.js';

/** After a renewal without an answer. */
const RETRY_MS = 1000;

export class Lease {
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;
  /** Whether this mount was ever told that its lease began. */
  private begun = false;

  constructor(
    private readonly context: MountContext,
    private readonly log: Logger,
    /** What was held is not held any more. */
    private readonly onLapse: () => void,
  ) {}

  start(): void {
    void this.renew();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  /** The service has forgotten the session, and the lease with it: the next one begins a new lease. */
  sessionLost(): void {
    this.begun = false;
    this.schedule(0);
  }

  private schedule(delayMs: number): void {
    clearTimeout(this.timer);
    if (this.stopped) return;
    this.timer = setTimeout(() => void this.renew(), delayMs);
    this.timer.unref();
  }

  private async renew(): Promise<void> {
    let unclaimed: number[] = [];
    do {
      const { claimed, released } = this.sorted(unclaimed);
      const { files, credentials } = this.context;
      const result = await files.perform(credentials.own, { op: 'renew', claimed, released });
      if (!('unclaimed' in result)) return this.schedule(RETRY_MS);
      if (result.lapsed && this.begun) {
        this.log.error('the lease has lapsed: locks are lost, and files that were unlinked while open');
        this.onLapse();
      }
      this.begun = true;
      unclaimed = result.unclaimed;
    } while (unclaimed.length > 0 && !this.stopped);
    this.schedule(RENEWAL_SECONDS * 1000);
  }

  /** Which of the inodes, whose last names others have removed, are open here. */
  private sorted(inos: readonly number[]): { claimed: number[]; released: number[] } {
    const claimed: number[] = [];
    const released: number[] = [];
    for (const ino of inos.slice(0, FileLimits.inosInRenewal)) {
      if (this.context.claim(ino)) claimed.push(ino);
      else released.push(ino);
    }
    return { claimed, released };
  }
}
