import type { Timestamp } from './pbft/messages.js';

/** A turn of the event loop never advances protocol time further than this. */
const MAX_STEP_MS = 50;

/**
 * Protocol time: after a stall of this process (a long collection, a slow disk) it lags behind the machine's clock
 * until it catches up in small steps, so that messages waiting in the sockets are read before a timer may say that
 * nobody sent any (DESIGN 3.13).
 */
export class SteadyClock {
  private real = performance.now();
  private steady = 0;

  /** Milliseconds; call once a turn. */
  advance(): number {
    const now = performance.now();
    this.steady += Math.min(now - this.real, MAX_STEP_MS);
    this.real = now;
    return this.steady;
  }
}

/** The machine's wall clock, in microseconds' resolution. */
export function wallClock(): Timestamp {
  const ms = performance.timeOrigin + performance.now();
  const seconds = Math.floor(ms / 1000);
  return { seconds, nanoseconds: Math.floor((ms - seconds * 1000) * 1000) * 1000 };
}
