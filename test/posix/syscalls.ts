/** System calls that Node has none of, made by a process of its own (syscalls.c). */
import { execFile } from 'node:child_process';
import { getSystemErrorName, promisify } from 'node:util';
import { compiled } from './compiled.js';

const run = promisify(execFile);

export interface User {
  uid: number;
  gid: number;
  groups?: readonly number[];
}

/**
 * @returns what the command prints, without its last end of line
 * @throws an error whose `code` is that of the errno
 */
export async function syscall(words: readonly (string | number)[], user?: User): Promise<string> {
  const as = user === undefined ? [] : ['as', user.uid, [user.gid, ...(user.groups ?? [])].join(',')];
  const ran = await run(await compiled('syscalls'), [...as, ...words].map(String), { maxBuffer: 1 << 20 }).catch(
    (error) => error,
  );
  const { stdout, code } = ran as { stdout: string; code?: number };
  const text = stdout.trimEnd();
  if (code === undefined) return text;
  if (code !== 1 || !/^\d+$/.test(text)) throw ran;
  const name = getSystemErrorName(-Number(text));
  throw Object.assign(new Error(`${words.join(' ').slice(0, 200)}: ${name}`), { code: name });
}

/** XATTR_CREATE, XATTR_REPLACE */
export const CREATE = 1;
export const REPLACE = 2;

const hex = (value: string | Uint8Array): string => Buffer.from(value as string).toString('hex');
const names = (listed: string): string[] =>
  Buffer.from(listed, 'hex').toString('latin1').split('\0').slice(0, -1).sort();

export const setXattr = (path: string, name: string, value: string | Uint8Array, user?: User, flags = 0) =>
  syscall(['setxattr', path, name, hex(value), flags], user);
/** A value of so many bytes, which need not fit in an argument: each is a `v`. */
export const setLongXattr = (path: string, name: string, bytes: number) =>
  syscall(['setxattr', path, name, `=${bytes}`]);
export const getXattr = async (path: string, name: string, user?: User): Promise<Buffer> =>
  Buffer.from(await syscall(['getxattr', path, name], user), 'hex');
export const removeXattr = (path: string, name: string, user?: User) => syscall(['removexattr', path, name], user);
export const listXattrs = async (path: string, user?: User): Promise<string[]> =>
  names(await syscall(['listxattr', path], user));
