/** The processes of one cluster directory: started detached, found again by pid file, stopped. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { layoutOf } from '../cluster/layout.js';
import { PASSPHRASE_FD_VARIABLE, PASSPHRASE_FILE_VARIABLE, passphrasesToHandOn } from '../cluster/passphrase.js';
import { canonicalDirectory } from './directory.js';
import { CommandError } from './errors.js';
import { notifyManager } from './notify.js';
import { commandLine, isRunning, workingDirectory } from './proc.js';

/** The built command: what spawned processes run. */
const MAIN = fileURLToPath(new URL('./main.js', import.meta.url));

/** Command line of `byzfs`, to spawn. */
export const BYZFS: readonly string[] = [process.execPath, MAIN];

/** What a process started by `startDetached` tells its parent, once. */
export type Notice = { ready: true } | { failed: string };

/** Tells whoever started this process and waits, another of byzfs or systemd, that it can be used or why not. */
export function announce(notice: Notice): Promise<void> {
  return new Promise((told) => {
    if (process.send === undefined) {
      notifyManager('ready' in notice ? 'READY=1' : `STATUS=${notice.failed}`);
      return told();
    }
    if (!process.connected) return told();
    process.send(notice, () => {
      if (process.connected) process.disconnect();
      told();
    });
  });
}

/** How a process that is started here gets to the encrypted keys that were opened here: it has no terminal. */
export interface Entrusting {
  env: NodeJS.ProcessEnv;
  /** After stdin, stdout, stderr and ipc. */
  stdio: 'pipe'[];
  entrust(child: ChildProcess): void;
}

const ENTRUSTED_FD = 4;

export function entrusting(): Entrusting {
  const passphrases = passphrasesToHandOn();
  if (passphrases === undefined) return { env: process.env, stdio: [], entrust: () => {} };
  // What was read from a pipe cannot be read again.
  const { [PASSPHRASE_FILE_VARIABLE]: _, ...env } = process.env;
  return {
    env: { ...env, [PASSPHRASE_FD_VARIABLE]: String(ENTRUSTED_FD) },
    stdio: ['pipe'],
    entrust: ({ stdio }) => {
      const pipe = stdio[ENTRUSTED_FD] as Writable;
      // A child that ends at once reads nothing; why it ended is what matters.
      pipe.on('error', () => {});
      pipe.end(passphrases);
    },
  };
}

/** How long a process may take until it is usable: a replica may have a journal to read first. */
const START_MS = 60_000;

/**
 * Starts `byzfs ARGUMENTS…` in a session of its own and waits until it is usable. Its output is appended to `logFile`.
 * @param spawned told the pid as soon as there is one, usable or not
 * @returns the pid
 * @throws CommandError with the process's own line, if it gave one
 */
export async function startDetached(
  args: readonly string[],
  logFile: string,
  spawned?: (pid: number) => void,
): Promise<number> {
  mkdirSync(dirname(logFile), { recursive: true });
  const log = openSync(logFile, 'a', 0o640);
  const { env, stdio, entrust } = entrusting();
  const child = spawn(BYZFS[0], [...BYZFS.slice(1), ...args], {
    ...{ detached: true, cwd: '/', env },
    stdio: ['ignore', log, log, 'ipc', ...stdio],
  });
  entrust(child);
  closeSync(log);
  if (child.pid !== undefined) spawned?.(child.pid);
  try {
    await usable(child, args[0], logFile);
  } catch (error) {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    throw error;
  } finally {
    if (child.connected) child.disconnect();
    child.unref();
  }
  return child.pid!;
}

function usable(child: ChildProcess, verb: string, logFile: string): Promise<void> {
  return new Promise((ready, fail) => {
    const timer = setTimeout(
      () => fail(new CommandError(`byzfs ${verb} was not ready after ${START_MS / 1000} s: see ${logFile}`)),
      START_MS,
    );
    const settle = (outcome: () => void) => {
      clearTimeout(timer);
      child.removeAllListeners();
      outcome();
    };
    child.on('message', (notice: Notice) => {
      settle(() => ('ready' in notice ? ready() : fail(new CommandError(notice.failed))));
    });
    child.on('error', (error) =>
      settle(() => fail(new CommandError(`byzfs ${verb} cannot be started: ${error.message}`))),
    );
    child.on('exit', (status, signal) => {
      settle(() =>
        fail(
          new CommandError(
            `byzfs ${verb} ended with ${signal ?? `status ${status}`} before it was ready: see ${logFile}`,
          ),
        ),
      );
    });
  });
}

/** Writes this process's id where `readPid` finds it. */
export function writePid(path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.${process.pid}`, `${process.pid}\n`);
  renameSync(`${path}.${process.pid}`, path);
}

/** Removes the pid file, if it is still this process's. */
export function removePid(path: string): void {
  if (readPid(path) === process.pid) rmSync(path, { force: true });
}

function readPid(path: string): number | null {
  try {
    const text = readFileSync(path, 'utf8').trim();
    return /^[1-9]\d{0,9}$/.test(text) ? Number(text) : null;
  } catch {
    return null;
  }
}

/**
 * Whether a pid is that of a `byzfs VERB` on this cluster directory: numbers are reused, so the command line decides.
 * @param directory canonical
 */
export function isOurs(pid: number, verb: string, directory: string, replica?: number): boolean {
  if (!isRunning(pid)) return false;
  const args = commandLine(pid) ?? [];
  const at = args.indexOf(verb);
  if (at < 1) return false;
  const base = workingDirectory(pid) ?? '/';
  const values = args.slice(at + 1).map((arg) => arg.replace(/^--[a-z-]+=/, ''));
  if (!values.some((value) => canonicalDirectory(resolve(base, value)) === directory)) return false;
  return replica === undefined || values.includes(String(replica));
}

/** Pid of the running replica process, or null. */
export function runningReplica(directory: string, id: number): number | null {
  const pid = readPid(layoutOf(directory).replicaPid(id));
  return pid !== null && isOurs(pid, 'replica', directory, id) ? pid : null;
}

/** Pid of another process, a `byzfs up` that supervises this directory; null if there is none. */
export function runningSupervisor(directory: string): number | null {
  const pid = readPid(layoutOf(directory).supervisorPid);
  if (pid === null || pid === process.pid || !isRunning(pid)) return null;
  return commandLine(pid)?.includes('up') ? pid : null;
}

/** @returns whether it ended within the time */
export async function ended(pid: number, withinMs: number): Promise<boolean> {
  for (let waited = 0; waited <= withinMs; waited += 20) {
    if (!isRunning(pid)) return true;
    await delay(20);
  }
  return false;
}

/** Asks a process to end, then makes it. */
export async function stop(pid: number, graceMs: number): Promise<'stopped' | 'killed'> {
  signal(pid, 'SIGTERM');
  if (await ended(pid, graceMs)) return 'stopped';
  signal(pid, 'SIGKILL');
  await ended(pid, 5000);
  return 'killed';
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It ended by itself.
  }
}
