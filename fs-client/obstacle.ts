/** Whether this process can mount on this machine, told before anything is done. */
import { accessSync, constants } from 'node:fs';
import { findProgram } from '../src/programs.js';
import { canReceiveDescriptors } from './kernel/dev-fuse/descriptor.js';
import { findHelper } from './kernel/dev-fuse/mount-command.js';
import { FuseNativeUnavailable, loadFuseNative } from './kernel/fuse-native/package.js';
import type { KernelName } from './kernel/kernel.js';

const DEVICE = '/dev/fuse';

/** Why nothing can be mounted through `kernel` by this process and what to do about it, as one line; null if it can. */
export function mountObstacle(kernel: KernelName): string | null {
  const native = kernel === 'fuse-native' ? nativeObstacle() : null;
  if (native !== null) return `${native}, or -o kernel=dev-fuse`;
  const device = deviceObstacle();
  if (process.geteuid?.() === 0) {
    if (device !== null) return device;
    return findProgram('mount') === null ? 'no mount(8): apt-get install mount' : null;
  }
  return device ?? helperObstacle(kernel) ?? (kernel === 'dev-fuse' ? receivingObstacle() : null);
}

function deviceObstacle(): string | null {
  try {
    accessSync(DEVICE, constants.R_OK | constants.W_OK);
    return null;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') {
      return `no ${DEVICE}: load the kernel module (modprobe fuse), or give the container --device ${DEVICE} --cap-add SYS_ADMIN`;
    }
    if (process.geteuid?.() === 0) return `${DEVICE} cannot be opened (${code}): a container needs --device ${DEVICE}`;
    return `${DEVICE} is not open to this user (${code}), whatever the kernel interface: mount as root (sudo), or have root chmod 666 ${DEVICE}`;
  }
}

/** libfuse 2.9 knows it by its old name only, which Debian's package gives it too. */
function helperObstacle(kernel: KernelName): string | null {
  const native = kernel === 'fuse-native';
  if ((native ? findProgram('fusermount') : findHelper()) !== null) return null;
  const name = native ? 'fusermount' : 'fusermount3';
  return `no ${name}, which mounts for those who are not root: apt-get install fuse3, or mount as root (sudo)`;
}

function receivingObstacle(): string | null {
  if (canReceiveDescriptors()) return null;
  const missing = 'the npm package koffi does not load, through which fusermount3 hands over the mount';
  const instead =
    nativeObstacle() === null ? 'use -o kernel=fuse-native, or mount as root (sudo)' : 'mount as root (sudo)';
  return `${missing}: npm install, or ${instead}`;
}

function nativeObstacle(): string | null {
  try {
    loadFuseNative();
    return null;
  } catch (error) {
    if (error instanceof FuseNativeUnavailable) return error.message;
    throw error;
  }
}
