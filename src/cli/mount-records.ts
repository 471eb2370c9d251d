/** `run/mount-*.json`: which process serves which mount of a cluster directory. */
import { hash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { layoutOf } from '../cluster/layout.js';
import { commandLine, isRunning, startTime } from './proc.js';

const record = z.object({
  pid: z.int().positive(),
  /** `startTime` of that process: numbers are reused. */
  started: z.int().nonnegative(),
  mountpoint: z.string(),
  client: z.string(),
  /** Of a mount that is gone, its process sending what it still holds or ended: files whose changes are not all sent. */
  unsent: z.int().nonnegative().optional(),
});

export type MountRecord = z.output<typeof record>;

const stem = (mountpoint: string): string => `mount-${hash('sha256', mountpoint, 'hex').slice(0, 12)}`;

const recordPath = (directory: string, mountpoint: string): string =>
  join(layoutOf(directory).run, `${stem(mountpoint)}.json`);

/** @param mountpoint canonical */
export const mountLog = (directory: string, mountpoint: string): string =>
  join(layoutOf(directory).run, `${stem(mountpoint)}.log`);

/** Of this process. */
export function writeMountRecord(directory: string, content: Omit<MountRecord, 'pid' | 'started'>): void {
  mkdirSync(layoutOf(directory).run, { recursive: true });
  const path = recordPath(directory, content.mountpoint);
  const { pid } = process;
  writeFileSync(`${path}.${pid}`, `${JSON.stringify({ pid, started: startTime(pid), ...content })}\n`);
  renameSync(`${path}.${process.pid}`, path);
}

function readRecord(path: string): MountRecord | null {
  try {
    return record.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return null;
  }
}

/** Removes the record of a mount point, if it is this process's. */
export function removeMountRecord(directory: string, mountpoint: string): void {
  const path = recordPath(directory, mountpoint);
  if (readRecord(path)?.pid === process.pid) rmSync(path, { force: true });
}

/** What a process that has ended left of its record, which is removed; null if it was done. */
export function takeMountRecord(directory: string, mountpoint: string): MountRecord | null {
  const path = recordPath(directory, mountpoint);
  const left = readRecord(path);
  if (left === null || serves(left)) return null;
  rmSync(path, { force: true });
  return left;
}

/** Nothing that the process was given is looked up: its mount may hang. */
const serves = ({ pid, started }: MountRecord): boolean =>
  isRunning(pid) && startTime(pid) === started && (commandLine(pid)?.includes('mount') ?? false);

/** The process that serves a mount point, if it runs. */
export function servingMount(directory: string, mountpoint: string): MountRecord | null {
  const found = readRecord(recordPath(directory, mountpoint));
  return found !== null && serves(found) ? found : null;
}

/** All mounts of the directory whose processes run. */
export function servingMounts(directory: string): MountRecord[] {
  let names: string[];
  try {
    names = readdirSync(layoutOf(directory).run);
  } catch {
    return [];
  }
  return names
    .filter((name) => /^mount-[0-9a-f]{12}\.json$/.test(name))
    .map((name) => readRecord(join(layoutOf(directory).run, name)))
    .filter((found): found is MountRecord => found !== null && serves(found));
}

/**
 * What a mount that has ended has not sent to the replicas, as far as its record tells; null if nothing.
 * @param left what it left of its record, which it removes when all is done
 * @param killed it could not say
 */
export function lossOf(left: MountRecord | null, killed: boolean): string | null {
  const { unsent } = left ?? {};
  if (unsent !== undefined && unsent > 0) {
    return `${unsent} ${unsent === 1 ? 'file' : 'files'} had changes that were not sent, which are lost`;
  }
  return killed && left !== null && unsent === undefined ? 'what it had not sent is lost' : null;
}
