import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** `action` must fail with this error code. */
export async function fails(code: string, action: Promise<unknown>): Promise<void> {
  await assert.rejects(action, (error: NodeJS.ErrnoException) => {
    assert.equal(error.code, code, error.message);
    return true;
  });
}

/** Bytes that repeat at no power of two, so that a block at a wrong place shows. */
export function pattern(length: number, seed = 1): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let x = seed;
  for (let i = 0; i < length; i++) {
    x = (Math.imul(x, 1_103_515_245) + 12_345) | 0;
    bytes[i] = x >>> 16;
  }
  return bytes;
}

/** A shell script, run as root or as another user; its standard output. Throws if it exits with another status than 0. */
export async function shell(script: string, cwd: string, user?: { uid: number; gid: number }): Promise<string> {
  const { stdout } = await run('/bin/sh', ['-ec', script], { cwd, ...user });
  return stdout;
}

export const NOBODY = { uid: 65_534, gid: 65_534 };
export const SOMEBODY = { uid: 1234, gid: 1234 };

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
