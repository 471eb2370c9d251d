/** A state that cannot be used is kept, out of the way: what is in it may be all that is left of something. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** What belongs to a state, by what follows its path. A half-made new one does not. */
const PARTS = ['', '-wal', '-journal', '-staging', '-staging-wal'];
const DIRECTORY = /^state\.damaged-(\d+)$/;

/**
 * Moves the files of a state to a directory `state.damaged-N` beside them. Of these there are two at most: the first,
 * which had most of what was ever here, and the last.
 * @param path of the .db file
 * @returns the directory; undefined: there was nothing to move
 */
export function setAside(path: string): string | undefined {
  const files = PARTS.map((part) => path + part).filter((file) => existsSync(file));
  if (files.length === 0) return undefined;
  const home = dirname(path);
  const numbers = readdirSync(home).flatMap((name) => DIRECTORY.exec(name)?.[1] ?? []);
  const [, ...later] = numbers.map(Number).sort((a, b) => a - b);
  for (const number of later) rmSync(join(home, `state.damaged-${number}`), { recursive: true });
  const directory = join(home, `state.damaged-${Math.max(0, ...numbers.map(Number)) + 1}`);
  mkdirSync(directory, { mode: 0o700 });
  for (const file of files) renameSync(file, join(directory, basename(file)));
  return directory;
}
