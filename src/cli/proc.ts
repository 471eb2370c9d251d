/** What Linux's /proc says about processes and listening ports (proc(5)). */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

function readProc(path: string): string | null {
  try {
    return readFileSync(`/proc/${path}`, 'latin1');
  } catch {
    return null;
  }
}

/** The letter of proc_pid_stat(5): R, S, D, T …; null if there is no such process. */
export function processState(pid: number): string | null {
  const stat = readProc(`${pid}/stat`);
  return stat === null ? null : stat[stat.lastIndexOf(')') + 2];
}

/** When a process started, in clock ticks since boot: tells it from a later one of the same number. */
export function startTime(pid: number): number | null {
  const stat = readProc(`${pid}/stat`);
  if (stat === null) return null;
  const STARTTIME = 22 - 3;
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[STARTTIME]);
}

/** Whether the process exists and has not ended: a zombie that nobody reaped counts as ended. */
export function isRunning(pid: number): boolean {
  const state = processState(pid);
  return state !== null && state !== 'Z' && state !== 'X';
}

/** Arguments of a running process, or null. */
export function commandLine(pid: number): string[] | null {
  const text = readProc(`${pid}/cmdline`);
  if (text === null || text === '') return null;
  return Buffer.from(text, 'latin1').toString('utf8').replace(/\0$/, '').split('\0');
}

export function workingDirectory(pid: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return null;
  }
}

/** How many descriptors this process may have: the hard limit, to which Node raises the soft one. */
export function descriptorLimit(): number {
  const [, hard] = /^Max open files +\S+ +(\d+|unlimited)/m.exec(readProc('self/limits') ?? '') ?? [];
  return hard === undefined || hard === 'unlimited' ? Number.POSITIVE_INFINITY : Number(hard);
}

const LISTEN = '0A';

/** Inodes of sockets that listen on a TCP port, of either address family. */
function listeningInodes(port: number): Set<string> {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  const inodes = new Set<string>();
  for (const table of ['net/tcp', 'net/tcp6']) {
    for (const line of (readProc(table) ?? '').split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/);
      if (fields[3] === LISTEN && fields[1].endsWith(`:${wanted}`)) inodes.add(fields[9]);
    }
  }
  return inodes;
}

function holdsSocket(pid: string, inodes: Set<string>): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      const socket = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`));
      return socket !== null && inodes.has(socket[1]);
    });
  } catch {
    return false;
  }
}

/** Who listens on a TCP port of this machine: null if nobody; a null pid if it cannot be told (another user's). */
export function portHolder(port: number): { pid: number | null; command: string } | null {
  const inodes = listeningInodes(port);
  if (inodes.size === 0) return null;
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry) || !holdsSocket(entry, inodes)) continue;
    const pid = Number(entry);
    return { pid, command: (commandLine(pid) ?? ['?']).join(' ') };
  }
  return { pid: null, command: 'a process of another user' };
}

/** `port 7402 is taken by pid 812 (node …)`, as far as it can be told. */
export function describeTakenPort(port: number): string {
  const holder = portHolder(port);
  if (holder === null) return `port ${port} is taken`;
  const command = holder.command.length > 80 ? `${holder.command.slice(0, 77)}...` : holder.command;
  return holder.pid === null
    ? `port ${port} is taken by ${command}`
    : `port ${port} is taken by pid ${holder.pid} (${command})`;
}
