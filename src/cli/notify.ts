/**
 * Tells systemd how a service is (sd_notify(3)): ready, stopping, alive. It listens on a datagram socket, which Node
 * cannot send to: through the C library, by the optional npm package koffi, or else by systemd-notify(1).
 */
import { spawnSync } from 'node:child_process';
import { closeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { endianness } from 'node:os';
import { findProgram } from '../programs.js';

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;
const MSG_DONTWAIT = 0x40;
const PROGRAM = 'systemd-notify';

/** What is used here of koffi 3. */
interface Koffi {
  load(library: string): { func(prototype: string): (...args: unknown[]) => number };
}

/** struct sockaddr_un; a name that begins with @ is in the abstract name space (unix(7)). */
function socketAddress(name: string): Buffer {
  const family = Buffer.alloc(2);
  if (endianness() === 'LE') family.writeUInt16LE(AF_UNIX);
  else family.writeUInt16BE(AF_UNIX);
  const path = Buffer.from(name.startsWith('@') ? `\0${name.slice(1)}` : `${name}\0`);
  return Buffer.concat([family, path]);
}

/** @returns false: there is no koffi, or nobody took it */
export function sendDatagram(name: string, text: string): boolean {
  let libc: ReturnType<Koffi['load']>;
  try {
    libc = (createRequire(import.meta.url)('koffi') as Koffi).load('libc.so.6');
  } catch {
    return false;
  }
  const socket = libc.func('int socket(int domain, int type, int protocol)');
  const sendto = libc.func(
    'intptr_t sendto(int fd, const void *data, size_t length, int flags, const void *address, uint32_t addressLength)',
  );
  const fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  try {
    const [data, address] = [Buffer.from(text), socketAddress(name)];
    return sendto(fd, data, data.length, MSG_NOSIGNAL | MSG_DONTWAIT, address, address.length) === data.length;
  } finally {
    closeSync(fd);
  }
}

/** @returns false: there is no such program, or it failed */
export function runNotifyProgram(name: string, text: string): boolean {
  if (findProgram(PROGRAM) === null) return false;
  const env = { ...process.env, NOTIFY_SOCKET: name };
  return spawnSync(PROGRAM, text.split('\n'), { env, stdio: 'ignore' }).status === 0;
}

/**
 * Does nothing where nobody wants to know.
 * @param assignments `READY=1`, `STATUS=…`, one a line
 * @returns false: it could not be told
 */
export function notifyManager(assignments: string): boolean {
  const name = process.env.NOTIFY_SOCKET;
  if (name === undefined || name === '') return true;
  return sendDatagram(name, assignments) || runNotifyProgram(name, assignments);
}

/** Says that this process is alive for as long as its event loop turns, twice as often as is wanted (sd_watchdog_enabled(3)). */
export function startWatchdog(): void {
  const microseconds = Number(process.env.WATCHDOG_USEC ?? 0);
  if (!(microseconds > 0)) return;
  setInterval(() => notifyManager('WATCHDOG=1'), microseconds / 2000).unref();
}
