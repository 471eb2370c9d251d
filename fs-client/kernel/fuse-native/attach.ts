/** Mounts a file system through the npm package fuse-native, and so libfuse 2.9, and serves it from this process. */
import { readdirSync, readlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Logger } from 'pino';
import { mountedAt } from '../../mountpoint.js';
import { unmount } from '../dev-fuse/mount-command.js';
import type { FileSystem, KernelMount, KernelOptions, Notifier } from '../kernel.js';
import { operationsOn } from './operations.js';
import { loadFuseNative, type PackageOptions } from './package.js';

/** The package has both in arrays of so many bytes, and cuts off what does not fit. */
const TEXT_BYTES = 1024;
const INIT_MS = 10_000;
/** How often it is looked whether libfuse still serves: it does not say when it ends. */
const WATCH_MS = 200;

/**
 * The kernel is let remember nothing, since it could not be told when that is no longer so: names and attributes
 * expire at once, and reads and writes bypass the page cache, which also is another one for each name of a file.
 */
const UNCACHED = ['direct_io', 'big_writes'];

/** There is nothing to invalidate. */
const nothingRemembered: Notifier = {
  invalidateAttributes: async () => {},
  invalidateData: async () => {},
  launderData: async () => {},
  invalidateEntry: () => {},
  invalidateEntries: () => true,
};

/**
 * Resolves when the mount is usable.
 * @throws FuseNativeUnavailable, or Error of one line
 */
export async function attachFuseNative(fs: FileSystem, options: KernelOptions, log: Logger): Promise<KernelMount> {
  const { mountpoint } = options;
  if (options.allowOther) {
    throw new Error('fuse-native does not say who makes a call, so it cannot serve other users: no_allow_other');
  }
  const FuseNative = loadFuseNative();
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  const requests: Record<string, number> = {};
  const operations = operationsOn(fs, { uid, gid, pid: process.pid }, log, requests);
  const given = packageOptions(options);
  if (Buffer.byteLength(mountpoint) >= TEXT_BYTES || Buffer.byteLength(JSON.stringify(given)) >= TEXT_BYTES) {
    throw new Error(
      `mounting ${dirname(mountpoint)}/… failed: fuse-native takes paths of less than ${TEXT_BYTES} bytes`,
    );
  }
  const before = new Set(deviceDescriptors());
  await mountWith(new FuseNative(mountpoint, operations, given), mountpoint);
  const [device] = deviceDescriptors().filter((fd) => !before.has(fd));
  if (device === undefined) throw new Error(`mounting ${mountpoint} failed: libfuse has no /dev/fuse open`);
  fs.attached(nothingRemembered);
  return {
    reader: 'libfuse',
    ended: endOf(device, mountpoint),
    counters: () => ({ requests: { ...requests }, fromMemory: {}, notifications: 0, droppedNotifications: 0 }),
    unmount: () => unmount(mountpoint),
  };
}

/** Options for which the package has no name follow one for which it has. */
function packageOptions({ name, readOnly, flags, kernelPermissions }: KernelOptions): PackageOptions {
  const further = ['use_ino', ...UNCACHED, ...flags, ...(readOnly ? ['ro'] : [])];
  return {
    timeout: false,
    fsname: escaped(name),
    subtype: ['byzfs', ...further].join(','),
    defaultPermissions: kernelPermissions,
    entryTimeout: '0',
    attrTimeout: '0',
  };
}

/** As fuse_opt_parse of libfuse reads it. */
const escaped = (value: string): string => value.replace(/[\\,]/g, '\\$&');

function mountWith(fuse: { mount(done: (error?: Error | null) => void): void }, mountpoint: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (why: string) => reject(new Error(`mounting ${mountpoint} failed: ${why}`));
    const timer = setTimeout(() => failed('the kernel did not begin the protocol'), INIT_MS);
    fuse.mount((error) => {
      clearTimeout(timer);
      // The package does not pass on what libfuse has said on stderr.
      if (error) failed(error.message === 'fuse failed' ? "libfuse's reason is in the log" : error.message);
      else resolve();
    });
  });
}

function deviceDescriptors(): number[] {
  return readdirSync('/proc/self/fd')
    .map(Number)
    .filter((fd) => isDevice(fd));
}

function isDevice(fd: number): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`) === '/dev/fuse';
  } catch {
    return false;
  }
}

/** libfuse closes its device when the kernel has ended the connection, be that by an unmount or by an abort. */
function endOf(device: number, mountpoint: string): Promise<string> {
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      if (isDevice(device)) return;
      clearInterval(timer);
      resolve(mountedAt(mountpoint) !== undefined ? 'the connection was aborted' : 'unmounted');
    }, WATCH_MS);
  });
}
