/**
 * Mounting and unmounting, by mount(8) and umount(8) as root, else by fusermount3(1), which is set-user-ID. Always
 * asynchronously: a server that waits for its own mount deadlocks (trap 18).
 */
import { spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { findProgram } from '../../../src/programs.js';
import type { KernelOptions } from '../kernel.js';
import { receiveDescriptor, socketPair } from './descriptor.js';

/** How long any may take. All only make one system call. */
const COMMAND_MS = 20_000;
/** That of the descriptor which a command inherits, in its own numbering. */
const INHERITED = 3;

interface Finished {
  status: number | null;
  stderr: string;
}

function run(command: string, args: string[], inherited?: number, env = process.env): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const stdio = inherited === undefined ? ['ignore', 'ignore', 'pipe'] : ['ignore', 'ignore', 'pipe', inherited];
    const child = spawn(command, args, { stdio: stdio as ('ignore' | 'pipe' | number)[], env });
    // One that waits in the kernel does not end by that either: it is not waited for.
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      child.stderr?.destroy();
      child.unref();
      reject(new Error(`${command} did not end within ${COMMAND_MS / 1000} s`));
    }, COMMAND_MS);
    let stderr = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(new Error(`${command} cannot be run: ${error.message}`));
    });
    child.on('close', (status) => {
      clearTimeout(timer);
      resolve({ status, stderr: stderr.trim().split('\n')[0] ?? '' });
    });
  });
}

const isRoot = (): boolean => process.geteuid?.() === 0;

/** The program that mounts and unmounts for users who are not root; null if there is none. */
export const findHelper = (): string | null => findProgram('fusermount3') ?? findProgram('fusermount');

function helper(): string {
  const path = findHelper();
  if (path === null) throw new Error('no fusermount3: apt-get install fuse3, or be root');
  return path;
}

/**
 * As root. Mounts `device`, an open descriptor of /dev/fuse, which mount(8) inherits as its descriptor 3.
 * @throws Error with mount's own line
 */
export async function mountDevice(device: number, options: KernelOptions): Promise<void> {
  const flags = [
    `fd=${INHERITED}`,
    'rootmode=40000',
    `user_id=${process.getuid?.() ?? 0}`,
    `group_id=${process.getgid?.() ?? 0}`,
    ...commonFlags(options),
  ];
  const { status, stderr } = await run(
    'mount',
    ['-i', '-t', 'fuse.byzfs', '-o', flags.join(','), options.name, options.mountpoint],
    device,
  );
  if (status !== 0)
    throw new Error(`mounting ${options.mountpoint} failed: ${stderr || `mount exited with ${status}`}`);
}

const commonFlags = ({ allowOther, readOnly, kernelPermissions, flags }: KernelOptions): string[] => [
  ...(kernelPermissions ? ['default_permissions'] : []),
  ...flags,
  ...(allowOther ? ['allow_other'] : []),
  ...(readOnly ? ['ro'] : []),
];

/**
 * As another user than root. fusermount3 opens /dev/fuse, mounts it, and hands the descriptor over the socket whose
 * number is in _FUSE_COMMFD. It allows neither suid nor dev.
 * @returns the descriptor, which blocks
 * @throws Error with fusermount3's own line
 */
export async function mountThroughHelper(options: KernelOptions): Promise<number> {
  const { mountpoint, name } = options;
  const [ours, theirs] = socketPair();
  try {
    const flags = [...commonFlags(options), `fsname=${name.replace(/[\\,]/g, '\\$&')}`, 'subtype=byzfs'];
    const env = { ...process.env, _FUSE_COMMFD: String(INHERITED) };
    const { status, stderr } = await run(helper(), ['-o', flags.join(','), '--', mountpoint], theirs, env);
    if (status !== 0) throw new Error(`mounting ${mountpoint} failed: ${explained(stderr, status)}`);
    return receiveDescriptor(ours);
  } finally {
    closeSync(ours);
    closeSync(theirs);
  }
}

function explained(stderr: string, status: number | null): string {
  if (/user_allow_other/.test(stderr)) {
    return 'allow_other needs a line user_allow_other in /etc/fuse.conf, which root has to write: mount without it, or as root';
  }
  return stderr || `fusermount3 exited with ${status}`;
}

const HOW = {
  whenUnused: { root: [], user: [] },
  lazily: { root: ['-l'], user: ['-z'] },
  forcibly: { root: ['-f'], user: ['-z'] },
} as const;

/**
 * @param mountpoint as in the table of mounts: umount(8) does not resolve it, and so does not look into the mount
 * @param how `whenUnused`; `lazily`: now, even if busy, the kernel finishes when the last user is gone; `forcibly`: if
 *   unused, but in any case every call in it fails from now on; who is not root cannot do that, and it is done lazily
 * @throws Error with the command's own line, for instance that the target is busy
 */
export async function unmount(mountpoint: string, how: keyof typeof HOW = 'whenUnused'): Promise<void> {
  const { status, stderr } = isRoot()
    ? await run('umount', ['-i', '-c', ...HOW[how].root, mountpoint])
    : await run(helper(), ['-u', ...HOW[how].user, '--', mountpoint]);
  if (status !== 0) {
    throw new Error(`unmounting ${mountpoint} failed: ${stderr || `the command exited with ${status}`}`);
  }
}
