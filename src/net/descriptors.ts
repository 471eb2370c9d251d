/**
 * How many connections a replica holds: well below the descriptors that it may have, so that whoever connects takes none of
 * those that its state and journal need. Out of descriptors it would stop, as for any failure of its machine.
 */
import { readFileSync } from 'node:fs';

/** For files, the log, and sockets that are about to be closed. Measured: a replica has 25 and its connections. */
const OTHERS = 128;
const MOST_CONNECTIONS = 4096;

/** What the kernel lets this process have: Node has raised it to the hard limit. */
function descriptorLimit(): number {
  const [, soft] = /^Max open files +(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'latin1')) ?? [];
  return soft === undefined || soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
}

/**
 * @param least what nothing works without
 * @throws Error one line: there are too few descriptors
 */
export function connectionLimit(least: number, descriptors = descriptorLimit()): number {
  const connections = Math.min(MOST_CONNECTIONS, descriptors - OTHERS);
  if (connections >= least) return connections;
  throw new Error(
    `only ${descriptors} descriptors may be open: ${least + OTHERS} at least are needed (ulimit -n, LimitNOFILE=)`,
  );
}
