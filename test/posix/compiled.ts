/**
 * Programs in C for what Node has no function for, compiled once a test run into a temporary directory (test/built.ts), or
 * once a process where there is none.
 */
import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const made = new Map<string, Promise<string>>();
let directory = process.env.BYZFS_COMPILED;

/** Path of the program made of `test/posix/NAME.c`. */
export function compiled(name: string): Promise<string> {
  let program = made.get(name);
  if (program === undefined) {
    program = compile(name);
    made.set(name, program);
  }
  return program;
}

async function compile(name: string): Promise<string> {
  if (directory === undefined) {
    const own = mkdtempSync(join(tmpdir(), 'byzfs-compiled-'));
    // Other users run them too.
    chmodSync(own, 0o755);
    directory = own;
    process.on('exit', () => rmSync(own, { recursive: true, force: true }));
  }
  const program = join(directory, name);
  if (existsSync(program)) return program;
  const own = `${program}.${process.pid}`;
  await run('cc', ['-O1', '-Wall', '-Wextra', '-Werror', '-o', own, join(import.meta.dirname, `${name}.c`)]);
  await rename(own, program);
  return program;
}

/** A call of syscalls-data.c: what it returned, or the name of its errno. */
export async function dataCall(call: string, ...args: (string | number)[]): Promise<string> {
  const { stdout } = await run(await compiled('syscalls-data'), [call, ...args.map(String)]);
  return stdout.trimEnd();
}
