/**
 * What scripts/simulate.mjs runs in its workers: one argument, JSON; a line of JSON for each seed's outcome.
 */
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

const order = JSON.parse(process.argv[2]) as Order;
for (let seed = order.from; seed < order.to; seed += order.step) {
  const { f, mutant, verbose } = order;
  const outcome = simulate({ seed, f, short: mutant, tolerateStops: mutant, verbose });
  process.stdout.write(`${JSON.stringify({ ...outcome, caught: isCaught(outcome) })}\n`);
}
