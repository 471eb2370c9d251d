/** What goes on while things happen: null operations without a mount, small files on one. */
import { mkdir, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServiceClient } from '../../src/client/types.js';
import { Contents } from '../contents.js';
import { MICRO_OPERATIONS, microCall } from '../micro/operations.js';

export interface Workload {
  name: string;
  operation: string;
  outstanding: number;
  once(worker: number): Promise<void>;
}

const FILE_BYTES = 4096;
const SEED = 2;
/** A file is looked at again, and removed, when so many have been made after it. */
const KEPT = 50;

export function nullOperations(client: ServiceClient, outstanding: number): Workload {
  const once = microCall(client, MICRO_OPERATIONS[0]);
  return { name: `0/0, ${outstanding} outstanding`, operation: 'a null operation, ordered', outstanding, once };
}

/** Asynchronous calls, so that this process goes on with its own work while one waits for a new view. */
export async function smallFiles(mountpoint: string, outstanding: number): Promise<Workload> {
  const contents = new Contents(SEED, FILE_BYTES);
  const made = Array.from({ length: outstanding }, () => 0);
  const path = (worker: number, file: number) => join(mountpoint, `worker-${worker}`, String(file));
  for (let worker = 0; worker < outstanding; worker++) await mkdir(join(mountpoint, `worker-${worker}`));
  const once = async (worker: number) => {
    const number = made[worker]++;
    const file = await open(path(worker, number), 'wx');
    try {
      await file.writeFile(contents.of(number, 0, FILE_BYTES));
    } finally {
      await file.close();
    }
    if (number < KEPT) return;
    const earlier = path(worker, number - KEPT);
    contents.check(earlier, await readFile(earlier), number - KEPT, 0, FILE_BYTES);
    await rm(earlier);
  };
  return {
    name: `a mount, ${outstanding} at a time`,
    operation: 'create a file of 4 KiB and close it, read one made before, compare and remove it',
    outstanding,
    once,
  };
}
