import type { Timestamp } from './messages.js';

const SECOND = 1_000_000_000;

export function laterTime(a: Timestamp, b: Timestamp): Timestamp {
  if (a.seconds !== b.seconds) return a.seconds > b.seconds ? a : b;
  return a.nanoseconds >= b.nanoseconds ? a : b;
}

export function nextNanosecond(time: Timestamp): Timestamp {
  return time.nanoseconds + 1 === SECOND
    ? { seconds: time.seconds + 1, nanoseconds: 0 }
    : { seconds: time.seconds, nanoseconds: time.nanoseconds + 1 };
}

/** a − b in milliseconds, for comparison with a bound. */
export function millisecondsAfter(a: Timestamp, b: Timestamp): number {
  return (a.seconds - b.seconds) * 1000 + (a.nanoseconds - b.nanoseconds) / 1_000_000;
}
