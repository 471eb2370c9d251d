/**
 * `byzfs umount --force`: takes away a mount that hangs. Nothing here looks into the mount, since that could wait for
 * ever: what is known of it comes from the kernel's tables and from the mount's record.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { oneLine } from './errors.js';
import { lossOf, type MountRecord, servingMount, takeMountRecord } from './mount-records.js';
import { directoryOf, isStillMounted, type MountEntry } from './mount-table.js';
import { isRunning, processState } from './proc.js';
import { ended, stop } from './processes.js';
import { mountCommandRoom } from './rooms.js';
import type { Unmounted } from './umount.js';

/** A mount that does not hang is unmounted within this; the umount(8) of one that does is left to its fate. */
const CLEAN_MS = 5000;
/** A mount whose connection is gone may send what it holds within this. */
const SENDING_MS = 5000;

/** Its own file system, normally mounted by the distribution. */
const CONNECTIONS = '/sys/fs/fuse/connections';

/** Unmounts as usual if that is quick; otherwise aborts the connection and ends the process. Loses what it must. */
export async function forceUnmount(entry: MountEntry): Promise<Unmounted> {
  const { mountpoint } = entry;
  const directory = directoryOf(entry);
  const server = servingMount(directory, mountpoint);
  const command = await mountCommandRoom();
  const failures: string[] = [];
  const attempt = (work: Promise<void>) => work.catch((error) => void failures.push(oneLine(error)));

  if (server !== null && !isHeld(server)) await Promise.race([attempt(command.unmount(mountpoint)), delay(CLEAN_MS)]);
  const forced = await isStillMounted(entry);
  const waiting = forced ? waitingCalls(entry) : 0;
  if (forced && !abort(entry)) await attempt(command.unmount(mountpoint, 'forcibly'));
  if (await isStillMounted(entry)) await attempt(command.unmount(mountpoint, 'lazily'));
  const killed = server !== null && (await endServer(server));
  const loss = lossOf(takeMountRecord(directory, mountpoint), killed);

  const done = `${mountpoint} ${forced ? 'taken away' : 'unmounted'}`;
  const failed = waiting > 0 ? [`${waiting} calls in it failed`] : [];
  const left: string[] = [];
  if (await isStillMounted(entry)) left.push(`it is still in the table of mounts (${failures.at(-1)})`);
  if (server !== null && isRunning(server.pid)) {
    left.push(
      `its process ${server.pid} is in the kernel (state ${processState(server.pid)}) and ends when that lets it`,
    );
  }
  return {
    line: [done, ...failed, ...(loss === null ? [] : [loss]), ...left].join('; '),
    lossless: loss === null && left.length === 0,
  };
}

/** Whether the process cannot run: stopped by a signal or a debugger, or waiting in the kernel. */
const isHeld = ({ pid }: MountRecord): boolean => /[TtD]/.test(processState(pid) ?? '');

/** @returns whether it had to be killed */
async function endServer(server: MountRecord): Promise<boolean> {
  if (!isHeld(server) && (await ended(server.pid, SENDING_MS))) return false;
  await stop(server.pid, 0);
  return true;
}

/** Calls that wait for the mount, as far as it can be told. */
function waitingCalls({ minor }: MountEntry): number {
  try {
    return Number.parseInt(readFileSync(`${CONNECTIONS}/${minor}/waiting`, 'latin1'), 10) || 0;
  } catch {
    return 0;
  }
}

/** Every call in it fails from now on, and whoever waits goes on. */
function abort({ minor }: MountEntry): boolean {
  try {
    writeFileSync(`${CONNECTIONS}/${minor}/abort`, '1');
    return true;
  } catch {
    return false;
  }
}
