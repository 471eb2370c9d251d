/** What tests of mounts need to do as a user who is not root. */
import { execFile } from 'node:child_process';
import { cpSync, existsSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findProgram } from '../../src/programs.js';

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, '../..');

/** The user of as-user.sh: fusermount3 wants one with a name. */
export const USER = { uid: 65_534, gid: 65_534 };
const AS_USER = ['setpriv', '--reuid', '65534', '--regid', '65534', '--groups', '65534,4242'];

/** What this machine lacks for these tests; null if nothing. */
export function userMountObstacle(): string | null {
  if (findProgram('fusermount3') === null) return 'no fusermount3: apt-get install fuse3';
  if (!existsSync(join(ROOT, 'node_modules/koffi'))) return 'no npm package koffi';
  return null;
}

/** The command line that runs another one as that user, in a namespace of its own. */
export const asUser = (directory: string, command: readonly string[]): [string, string[]] => [
  'unshare',
  ['-m', 'sh', join(import.meta.dirname, 'as-user.sh'), directory, ...command],
];

/** As that user, where a process sees the mounts that `pid` sees. */
export async function runWhere(pid: number, command: readonly string[], cwd = '/'): Promise<string> {
  const there = ['sh', '-c', 'cd "$0" && exec "$@"', cwd, ...command];
  const inside = ['--target', String(pid), '--mount', ...AS_USER, ...there];
  return (await run('nsenter', inside, { maxBuffer: 2 ** 24 })).stdout;
}

/** As that user, here. */
export async function runHere(command: readonly string[], cwd = '/'): Promise<string> {
  const [program, ...args] = [...AS_USER, ...command];
  return (await run(program, args, { cwd, maxBuffer: 2 ** 24 })).stdout;
}

export const MAP_RUNNER = join(import.meta.dirname, 'map-runner.mjs');

/** The map of behaviours as JavaScript, in `directory`. @returns its file */
export async function compiledMap(directory: string): Promise<string> {
  const copy = (name: string, to: string) =>
    cpSync(join(import.meta.dirname, name), join(directory, to, name), { recursive: true });
  for (const part of ['behaviours', 'behaviours.ts', 'locker.ts', 'compiled.ts', 'syscalls.ts']) copy(part, 'source');
  // Programs in C are looked for beside what runs them.
  for (const program of ['syscalls.c', 'syscalls-data.c']) copy(program, 'program');
  const compilerOptions = {
    ...{ rootDir: 'source', outDir: 'program', noCheck: true, sourceMap: false, declaration: false },
    typeRoots: [join(ROOT, 'node_modules/@types')],
  };
  const config = { extends: join(ROOT, 'tsconfig.json'), compilerOptions, include: ['source'] };
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify(config));
  writeFileSync(join(directory, 'package.json'), '{"type":"module"}');
  symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
  await run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', directory]);
  return join(directory, 'program/behaviours.js');
}

/** Which cases pass, and why the others do not. */
export function verdicts(output: string): Map<string, string | null> {
  const lines = output.trim().split('\n');
  return new Map(
    lines.map((line) => JSON.parse(line) as { name: string; error: string | null }).map((v) => [v.name, v.error]),
  );
}
