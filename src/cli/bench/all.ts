/** Every benchmark, one after the other, into one report. */
import { spawn } from 'node:child_process';
import { CommandError } from '../errors.js';
import { BYZFS } from '../processes.js';
import { stopRequested } from '../signals.js';

export interface AllGiven {
  report: string;
  target?: { name: string; path: string }[];
}

/** With what differs from their defaults. */
const ON_TARGETS = [['andrew', '--copies', '10', '--runs', '5'], ['postmark'], ['small'], ['sequential']];
const WITHOUT = [['micro'], ['faults'], ['scale']];

/** Each in a process of its own: none is slowed down by what another has left in memory. */
export async function runAll({ report, target = [] }: AllGiven, command = BYZFS): Promise<void> {
  const given = target.flatMap(({ name, path }) => ['--target', `${name}=${path}`]);
  const lines = [...ON_TARGETS.map((line) => [...line, ...given]), ...WITHOUT];
  let stopped: NodeJS.Signals | undefined;
  let stop: ((signal: NodeJS.Signals) => void) | undefined;
  stopRequested().then((signal) => {
    stopped = signal;
    stop?.(signal);
  });
  for (const [verb, ...args] of lines) {
    const child = spawn(BYZFS[0], [...command.slice(1), 'bench', verb, ...args, '--report', report], {
      stdio: 'inherit',
    });
    // What a terminal sends goes to the child as well: asked twice, it ends as if asked once.
    stop = (signal) => child.kill(signal);
    const status = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject);
      child.on('exit', resolve);
    });
    if (stopped !== undefined) throw new CommandError(`interrupted by ${stopped}`);
    if (status !== 0) throw new CommandError(`bench ${verb} failed: see above; the page has what was measured before`);
  }
}
