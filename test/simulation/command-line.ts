/**
 * What scripts/simulate.mjs runs in its workers: one argument, JSON; a line of JSON for each seed's outcome.
 */
import { setImmediate } from 'node:timers/promises';
import { type CrashOptions, crashAtEveryWrite } from './crash-points.js';
import { type Outcome, simulate } from './simulation.js';

interface Order {
  f: number;
  from: number;
  /** Exclusive. */
  to: number;
  /** Every how many seeds: workers share a sweep. */
  step: number;
  /** Correct replicas that stop themselves are left to the other checkers. */
  mutant: boolean;
  verbose: boolean;
  /** Instead of seeds: a replica dies at every write. */
  crashes?: CrashOptions;
  /** Absent: with some seeds. */
  sqlite?: boolean;
  /** All lose power at once, with every seed. */
  powerLoss?: boolean;
}

/**
 * Whether the outcome shows a mutant to be wrong by what clients saw, by the states, or by a lack of progress. Where an
 * assertion stopped a replica, only what the clients and the other replicas saw counts.
 */
function isCaught({ violation, stopped }: Outcome): boolean {
  if (violation === undefined) return false;
  const { kind } = violation;
  return stopped.length === 0 || !['progress', 'convergence', 'memory'].includes(kind);
}

function tell(outcome: object): void {
  process.stdout.write(`${JSON.stringify(outcome)}\n`);
}

const order = JSON.parse(process.argv[2]) as Order;
if (order.crashes !== undefined) {
  for (const run of crashAtEveryWrite(order.crashes)) {
    tell(run.violation === undefined ? { ...run, transcript: '' } : run);
    // What the files of one world left to be done is done before the next.
    await setImmediate();
  }
}
for (let seed = order.from; seed < order.to; seed += order.step) {
  const { f, mutant, verbose, sqlite, powerLoss } = order;
  const outcome = simulate({ seed, f, short: mutant, tolerateStops: mutant, verbose, sqlite, powerLoss });
  tell({ ...outcome, caught: isCaught(outcome) });
  await setImmediate();
}
