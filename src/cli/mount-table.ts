/** Byzfs mounts of this machine, as the kernel's table of mounts has them. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { KernelName } from '../../fs-client/kernel/kernel.js';
import type { MountEntry } from '../../fs-client/mountpoint.js';
import { report } from './errors.js';
import { mountpointRoom } from './rooms.js';

export type { MountEntry };

export async function canonicalMountpoint(path: string): Promise<string> {
  const room = await mountpointRoom();
  return room.canonicalMountpoint(path);
}

/**
 * Checks that a canonical path can be mounted on. A byzfs mount there whose process is gone is detached, and told.
 * @throws MountpointError of one line
 */
export async function prepareMountpoint(mountpoint: string, kernel?: KernelName): Promise<void> {
  const room = await mountpointRoom();
  await room.prepareMountpoint(mountpoint, report, kernel);
}

/** What is mounted at a path, on top if several are. A path that is in the table as given is not looked at. */
export async function mountedAt(path: string): Promise<MountEntry | undefined> {
  const room = await mountpointRoom();
  return room.mountedAt(resolve(path)) ?? room.mountedAt(room.canonicalMountpoint(path));
}

export async function isStillMounted(entry: MountEntry): Promise<boolean> {
  const { mountedAt } = await mountpointRoom();
  const found = mountedAt(entry.mountpoint);
  return found?.source === entry.source && found.minor === entry.minor;
}

export async function byzfsMounts(): Promise<MountEntry[]> {
  const room = await mountpointRoom();
  const entries = room.parseMountInfo(readFileSync('/proc/self/mountinfo', 'utf8'));
  return entries.filter(({ type }) => type === room.FILE_SYSTEM_TYPE);
}

/** Before the cluster directory, in the table of mounts. */
export const SOURCE_PREFIX = 'byzfs:';

/** The source that a mount of this cluster directory shows in df(1) and mount(8). */
export const sourceOf = (directory: string): string => `${SOURCE_PREFIX}${directory}`;

/** The cluster directory that a byzfs mount came from. */
export const directoryOf = (entry: MountEntry): string => entry.source.slice(SOURCE_PREFIX.length);

/** Mounts of one cluster directory, the latest first: nested ones have to go before what they are in. */
export async function mountsOf(directory: string): Promise<MountEntry[]> {
  const source = sourceOf(directory);
  return (await byzfsMounts()).filter((entry) => entry.source === source).reverse();
}
