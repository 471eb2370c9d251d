/** States whose disk alters what was written. */
import { closeSync, copyFileSync, existsSync, openSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Database } from 'better-sqlite3';
import type { FileState } from '../../../replica/state/index.js';
import { PAGE_BYTES } from '../../../replica/state/schema.js';
import type { Scrub } from '../../../replica/state/scrub.js';
import type { Store } from '../../../replica/state/store.js';
import type { Random } from '../../simulation/random.js';
import { type Driver, FILES } from './support.js';

interface Inside {
  db: Database;
  store: Store;
}

export const inside = (state: FileState): Inside => state as unknown as Inside;

/** Makes a whole pass. */
export function scrubbed(state: FileState): Scrub {
  const scrub = state.scrub();
  while (!scrub.step());
  return scrub;
}

/** All that execution can find: every row by its key, every directory in its order, and how far execution has come. */
export function dump(state: FileState): Map<string, string> {
  state.recomputeDigest();
  const { store } = inside(state);
  const found = new Map<string, string>([['last executed', String(state.lastExecuted)]]);
  for (const table of store.tables) {
    for (const key of table.keysAfter(undefined, 1_000_000)) found.set(key, table.contentAt(key)!.toString('latin1'));
  }
  for (const ino of [...found.keys()].filter((key) => key.startsWith('\x01')).map((key) => key.charCodeAt(8))) {
    const names = store.dentries
      .list(ino, 0, 100_000)
      .map(({ name, cookie }) => `${cookie} ${name.toString('latin1')}`);
    if (names.length > 0) found.set(`directory ${ino}`, names.join('\n'));
  }
  return found;
}

/** A copy of a closed state's files in a directory of their own. */
export function copied(path: string, directory: string): string {
  const copy = join(directory, 'state.db');
  for (const part of FILES) if (existsSync(path + part)) copyFileSync(path + part, copy + part);
  return copy;
}

/** Overwrites a few places of a database, half of them where a page says what is in it: a byte, some, or a sector of zeros. */
export function overwrite(path: string, random: Random): void {
  const file = openSync(path, 'r+');
  const { size } = statSync(path);
  for (let places = 1 + (random.below(4) >> 1); places > 0; places--) {
    const length = [1, 1 + random.below(16), 512][random.below(3)];
    const bytes = Buffer.alloc(length);
    if (length < 512) for (let i = 0; i < length; i++) bytes[i] = random.below(256);
    const at =
      random.below(2) === 0
        ? random.below(size / PAGE_BYTES) * PAGE_BYTES + random.below(64)
        : random.below(size - length);
    writeSync(file, bytes, 0, length, at);
  }
  closeSync(file);
}

/** Runs SQL in the state's own transaction, behind its back. */
export const alter = ({ state }: Driver, sql: string): void => void inside(state).db.exec(sql);
