/** How often the things happened that a sweep is to make happen often. */
export class Statistics {
  /** Worlds with real states, journals and messages. */
  sqliteWorlds = 0;
  events = 0;
  operations = 0;
  /** New views begun, and those of them that had something to re-propose. */
  newViews = 0;
  newViewsWithPrepared = 0;
  rollbacks = 0;
  tentativeReplies = 0;
  stateTransfers = 0;
  restarts = 0;
  forgetfulRestarts = 0;
  groupRecoveries = 0;
  retriedSlots = 0;
  readOnlyFallbacks = 0;
  stableCheckpoints = 0;
  powerLosses = 0;
  /** Of all replicas at once (`--power-loss`), and durable replies that clients had had by then. */
  totalPowerLosses = 0;
  durableRepliesBefore = 0;
  /** Pre-prepares that only name some of their requests, and contents asked for. */
  namingPrePrepares = 0;
  batchFetches = 0;
  durableReplies = 0;
  /** Directed attacks begun, and those of them of which nothing came. */
  attacks = 0;
  fizzledAttacks = 0;

  add(other: Statistics): void {
    for (const key of Object.keys(this) as Counter[]) this[key] += other[key];
  }
}

type Counter = { [Key in keyof Statistics]: Statistics[Key] extends number ? Key : never }[keyof Statistics];
