/** Whether a directory can be mounted on, told before anything is done, and what a crashed server left behind. */
import { readFileSync, realpathSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { unmount } from './kernel/dev-fuse/mount-command.js';
import type { KernelName } from './kernel/kernel.js';
import { mountObstacle } from './obstacle.js';

export const FILE_SYSTEM_TYPE = 'fuse.byzfs';

/** One line: what is wrong with the mount point, and what to do. */
export class MountpointError extends Error {
  override name = 'MountpointError';
}

export interface MountEntry {
  mountpoint: string;
  type: string;
  source: string;
  /** Of the device number; for FUSE, the connection's name in /sys/fs/fuse/connections. */
  major: number;
  minor: number;
}

/** A live mount answers stat at once; one that takes longer has a server that hangs. */
const ANSWER_MS = 3000;

/** Blank, tab, newline and backslash are written in octal. */
const unescaped = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

/** The lines of /proc/self/mountinfo (proc_pid_mountinfo(5)). */
export function parseMountInfo(text: string): MountEntry[] {
  const entries: MountEntry[] = [];
  for (const line of text.split('\n')) {
    const [left, right] = line.split(' - ', 2);
    if (right === undefined) continue;
    const [, , device, , mountpoint] = left.split(' ');
    const [type, source] = right.split(' ');
    const [major, minor] = device.split(':').map(Number);
    entries.push({ mountpoint: unescaped(mountpoint), type, source: unescaped(source), major, minor });
  }
  return entries;
}

/** What is mounted at a path, on top if several are. Looks at the kernel's table only, never at the path itself. */
export function mountedAt(mountpoint: string): MountEntry | undefined {
  return parseMountInfo(readFileSync('/proc/self/mountinfo', 'utf8')).findLast((e) => e.mountpoint === mountpoint);
}

/** The path as the kernel's table shows it. The last component is left alone: a dead mount answers nothing. */
export function canonicalMountpoint(path: string): string {
  const absolute = resolve(path);
  try {
    return join(realpathSync(dirname(absolute)), basename(absolute));
  } catch {
    return absolute;
  }
}

/**
 * Checks that `mountpoint` (canonical) is an empty directory with nothing mounted, and that this process may mount.
 * A byzfs mount there whose server is gone is detached.
 * @param report told in one line what was detached
 * @throws MountpointError
 */
export async function prepareMountpoint(
  mountpoint: string,
  report: (line: string) => void,
  kernel: KernelName = 'dev-fuse',
): Promise<void> {
  const obstacle = mountObstacle(kernel);
  if (obstacle !== null) throw new MountpointError(`${mountpoint} cannot be mounted: ${obstacle}`);
  const there = mountedAt(mountpoint);
  if (there !== undefined) await detachIfStale(there, report);
  const found = await stat(mountpoint).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') throw new MountpointError(`${mountpoint} does not exist: mkdir it first`);
    throw new MountpointError(`${mountpoint} cannot be used (${error.code})`);
  });
  if (!found.isDirectory()) throw new MountpointError(`${mountpoint} is not a directory: give an empty one`);
  if ((await readdir(mountpoint)).length > 0) {
    throw new MountpointError(`${mountpoint} is not empty: what is in it would be hidden: give an empty directory`);
  }
}

async function detachIfStale(there: MountEntry, report: (line: string) => void): Promise<void> {
  const { mountpoint, type, source } = there;
  if (type !== FILE_SYSTEM_TYPE) {
    throw new MountpointError(`${mountpoint} has ${source} (${type}) mounted on it: give another directory`);
  }
  const state = await Promise.race([
    stat(mountpoint).then(
      () => 'alive',
      (error: NodeJS.ErrnoException) => error.code ?? 'unknown',
    ),
    new Promise<string>((done) => setTimeout(done, ANSWER_MS, 'silent').unref()),
  ]);
  if (state !== 'ENOTCONN' && state !== 'ECONNABORTED') {
    const how = state === 'silent' ? ' and does not answer: byzfs umount --force it first' : ': byzfs umount it first';
    throw new MountpointError(`${mountpoint} has ${source} mounted already${how}`);
  }
  await unmount(mountpoint, 'lazily').catch((error: Error) => {
    throw new MountpointError(`${mountpoint} has a mount whose server is gone: ${error.message}`);
  });
  report(`${mountpoint}: detached a mount of ${source} whose process is gone`);
}
