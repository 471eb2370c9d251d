/** `run/mount-*.json`: which process serves which mount of a cluster directory. */
import { hash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { layoutOf } from '../cluster/layout.js';
import { isOurs } from './processes.js';

const record = z.object({ pid: z.int().positive(), mountpoint: z.string(), client: z.string() });

export type MountRecord = z.output<typeof record>;

const stem = (mountpoint: string): string => `mount-${hash('sha256', mountpoint, 'hex').slice(0, 12)}`;

const recordPath = (directory: string, mountpoint: string): string =>
  join(layoutOf(directory).run, `${stem(mountpoint)}.json`);

/** @param mountpoint canonical */
export const mountLog = (directory: string, mountpoint: string): string =>
  join(layoutOf(directory).run, `${stem(mountpoint)}.log`);

export function writeMountRecord(directory: string, content: MountRecord): void {
  mkdirSync(layoutOf(directory).run, { recursive: true });
  const path = recordPath(directory, content.mountpoint);
  writeFileSync(`${path}.${process.pid}`, `${JSON.stringify(content)}\n`);
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

/** The process that serves a mount point, if it runs. */
export function servingMount(directory: string, mountpoint: string): MountRecord | null {
  const found = readRecord(recordPath(directory, mountpoint));
  return found !== null && isOurs(found.pid, 'mount', directory) ? found : null;
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
    .filter((found): found is MountRecord => found !== null && isOurs(found.pid, 'mount', directory));
}
