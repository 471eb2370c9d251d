/** mount(8) and umount(8), always asynchronously: a server that waits for its own mount deadlocks (trap 18). */
import { spawn } from 'node:child_process';
import type { KernelOptions } from '../kernel.js';

/** How long either may take. Both only make one system call. */
const COMMAND_MS = 20_000;

interface Finished {
  status: number | null;
  stderr: string;
}

function run(command: string, args: string[], inherited?: number): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const stdio = inherited === undefined ? ['ignore', 'ignore', 'pipe'] : ['ignore', 'ignore', 'pipe', inherited];
    const child = spawn(command, args, { stdio: stdio as ('ignore' | 'pipe' | number)[] });
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

/**
 * Mounts `device`, an open descriptor of /dev/fuse, which mount(8) inherits as its descriptor 3.
 * @throws Error with mount's own line
 */
export async function mountDevice(device: number, options: KernelOptions): Promise<void> {
  const flags = [
    'fd=3',
    'rootmode=40000',
    `user_id=${process.getuid?.() ?? 0}`,
    `group_id=${process.getgid?.() ?? 0}`,
    ...(options.kernelPermissions ? ['default_permissions'] : []),
    ...options.flags,
    ...(options.allowOther ? ['allow_other'] : []),
    ...(options.readOnly ? ['ro'] : []),
  ];
  const { status, stderr } = await run(
    'mount',
    ['-i', '-t', 'fuse.byzfs', '-o', flags.join(','), options.name, options.mountpoint],
    device,
  );
  if (status !== 0)
    throw new Error(`mounting ${options.mountpoint} failed: ${stderr || `mount exited with ${status}`}`);
}

const HOW = { whenUnused: [], lazily: ['-l'], forcibly: ['-f'] } as const;

/**
 * @param mountpoint as in the table of mounts: umount(8) does not resolve it, and so does not look into the mount
 * @param how `whenUnused`; `lazily`: now, even if busy, the kernel finishes when the last user is gone; `forcibly`: if
 *   unused, but in any case every call in it fails from now on
 * @throws Error with umount's own line, for instance that the target is busy
 */
export async function unmount(mountpoint: string, how: keyof typeof HOW = 'whenUnused'): Promise<void> {
  const { status, stderr } = await run('umount', ['-i', '-c', ...HOW[how], mountpoint]);
  if (status !== 0) {
    throw new Error(`unmounting ${mountpoint} failed: ${stderr || `umount exited with ${status}`}`);
  }
}
