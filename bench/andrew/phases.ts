/**
 * The five phases of the Andrew benchmark (Howard et al., TOCS '88 §3; scaled to N copies as in OSDI '99 §7): make
 * directories, copy, stat, read, compile. One system call after the other from this process, as a shell script would:
 * the file systems under test are served by other processes.
 */
import { spawnSync } from 'node:child_process';
import { lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BenchmarkError } from '../errors.js';
import type { PhaseTime } from '../mounted.js';
import type { SourceTree } from './tree.js';

export const PHASES = ['mkdir', 'copy', 'stat', 'read', 'compile'] as const;

export type PhaseName = (typeof PHASES)[number];

export interface RunOptions {
  tree: SourceTree;
  /** Where `tree` is on local disk: copying reads it from there. */
  source: string;
  /** An empty directory on the file system under test. */
  work: string;
  copies: number;
  /** A copy has gone through a phase. */
  step(): Promise<void>;
}

/** One part of a phase on one copy; returns what is to be checked when the clock has stopped. */
type Part = (copy: string, options: RunOptions) => { operations: number; verify?: () => void };

const makeDirectories: Part = (copy, { tree }) => {
  mkdirSync(copy);
  for (const directory of tree.directories) mkdirSync(join(copy, directory));
  return { operations: tree.directories.length + 1 };
};

const copyFiles: Part = (copy, { tree, source }) => {
  for (const { path } of tree.files) writeFileSync(join(copy, path), readFileSync(join(source, path)), { flag: 'wx' });
  return { operations: tree.files.length };
};

const statAll: Part = (copy, { tree }) => {
  const sizes = new Map<string, number>();
  let directories = 0;
  const walk = (relative: string) => {
    directories++;
    for (const name of readdirSync(join(copy, relative))) {
      const path = relative === '' ? name : `${relative}/${name}`;
      const stat = lstatSync(join(copy, path));
      if (stat.isDirectory()) walk(path);
      else sizes.set(path, stat.size);
    }
  };
  walk('');
  const verify = () => {
    const wrong = tree.files.find(({ path, content }) => sizes.get(path) !== content.length);
    if (wrong !== undefined) {
      throw new BenchmarkError(
        `${join(copy, wrong.path)}: size ${sizes.get(wrong.path)}, ${wrong.content.length} written`,
      );
    }
    if (sizes.size !== tree.files.length || directories !== tree.directories.length + 1) {
      throw new BenchmarkError(`${copy}: ${sizes.size} files in ${directories} directories: some were never written`);
    }
  };
  return { operations: sizes.size + directories, verify };
};

const readAll: Part = (copy, { tree }) => {
  const contents = tree.files.map(({ path }) => readFileSync(join(copy, path)));
  const verify = () => {
    for (const [i, { path, content }] of tree.files.entries()) {
      if (contents[i].equals(content)) continue;
      const at = content.findIndex((byte, offset) => contents[i][offset] !== byte);
      throw new BenchmarkError(
        `${join(copy, path)}: read back other than written, from byte ${at < 0 ? content.length : at} on`,
      );
    }
  };
  return { operations: tree.files.length, verify };
};

function runProgram(what: string, command: string, args: string[], cwd: string): string {
  // Those of a make that this benchmark itself may run under would change what is measured.
  const env = { ...process.env, MAKEFLAGS: undefined, MFLAGS: undefined };
  const { status, signal, error, stdout, stderr } = spawnSync(command, args, { cwd, env, encoding: 'utf8' });
  if (error !== undefined) throw new BenchmarkError(`${what} cannot be run: ${error.message}`);
  if (status === 0) return stdout;
  const said = stderr.trim().split('\n')[0];
  throw new BenchmarkError(`${what} in ${cwd} ended with ${signal ?? `status ${status}`}: ${said}`);
}

const compile: Part = (copy, { tree }) => {
  runProgram('make', 'make', ['-s'], copy);
  const verify = () => {
    const output = runProgram(tree.program, join(copy, tree.program), [], copy);
    if (output !== tree.expectedOutput) throw new BenchmarkError(`${join(copy, tree.program)}: wrong output`);
  };
  return { operations: tree.units + 1, verify };
};

const PARTS: Record<PhaseName, Part> = {
  mkdir: makeDirectories,
  copy: copyFiles,
  stat: statAll,
  read: readAll,
  compile,
};

/** Puts the tree on local disk, for the copy phase to read. */
export function writeSource(tree: SourceTree, path: string): void {
  mkdirSync(path, { recursive: true });
  for (const directory of tree.directories) mkdirSync(join(path, directory));
  for (const file of tree.files) writeFileSync(join(path, file.path), file.content);
}

/**
 * Runs all phases once.
 * @throws BenchmarkError if a byte, a size or the program's output is not what it must be
 */
export async function runPhases(options: RunOptions): Promise<PhaseTime[]> {
  const { work, copies, step } = options;
  const times: PhaseTime[] = [];
  for (const name of PHASES) {
    let seconds = 0;
    let operations = 0;
    for (let i = 0; i < copies; i++) {
      const start = performance.now();
      const part = PARTS[name](join(work, `copy-${i}`), options);
      seconds += (performance.now() - start) / 1000;
      operations += part.operations;
      part.verify?.();
      await step();
    }
    // Directories made, files copied, entries looked at, files read, runs of the compiler.
    times.push({ name, seconds, operations });
  }
  return times;
}
