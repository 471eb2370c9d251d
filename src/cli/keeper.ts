/**
 * Keeps one replica where it recovers from time to time: runs `byzfs replica` in a process of its own, and another one
 * each time that ends by `RECOVERS`. However else it ends, the keeper ends too, as if it had been the replica itself.
 */
import { spawn } from 'node:child_process';
import { layoutOf } from '../cluster/layout.js';
import { notifyManager } from './notify.js';
import { announce, BYZFS, entrusting, type Notice, removePid, writePid } from './processes.js';
import { stopRequested } from './signals.js';

/** Exit status of a replica's process whose place another is to take: EX_TEMPFAIL of sysexits(3). */
export const RECOVERS = 75;

export type Kept = 'first' | 'recovering';

/**
 * Runs a replica until it is asked to stop or ends by itself, and then exits as it did.
 * @param more arguments for every one of its processes
 */
export async function keep(
  directory: string,
  id: number,
  { rejoin, more }: { rejoin?: boolean; more: readonly string[] },
): Promise<never> {
  const pidFile = layoutOf(directory).replicaPid(id);
  const requested = stopRequested();
  void requested.then(() => notifyManager('STOPPING=1'));
  const args = ['replica', '--cluster', directory, '--id', String(id), ...more];
  const first = [...args, ...(rejoin ? ['--rejoin'] : []), '--kept', 'first'];
  const listening = (): void => writePid(pidFile);
  let status = await runKept(first, requested, listening);
  while (status === RECOVERS) status = await runKept([...args, '--kept', 'recovering'], requested, listening);
  removePid(pidFile);
  return process.exit(status);
}

/** @returns exit status */
function runKept(args: readonly string[], requested: Promise<NodeJS.Signals>, listening: () => void): Promise<number> {
  return new Promise((resolve, reject) => {
    // In a session of its own: what a terminal sends to a whole group reaches it once, from here.
    const { env, stdio, entrust } = entrusting();
    const child = spawn(BYZFS[0], [...BYZFS.slice(1), ...args], {
      ...{ detached: true, env },
      stdio: ['pipe', 'inherit', 'inherit', 'ipc', ...stdio],
    });
    entrust(child);
    void requested.then((signal) => child.kill(signal));
    child.on('message', (notice: Notice) => {
      if ('ready' in notice) listening();
      void announce(notice);
    });
    child.on('error', reject);
    child.on('exit', (status) => resolve(status ?? 1));
  });
}

/** In the process that is kept: it does not outlive its keeper, however that ends. */
export function endWithKeeper(): void {
  process.stdin.on('end', () => process.kill(process.pid, 'SIGKILL')).resume();
}
