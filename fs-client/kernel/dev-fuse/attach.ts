/** Mounts a file system through /dev/fuse and serves it from this process. */
import { closeSync, constants, openSync } from 'node:fs';
import { endianness } from 'node:os';
import type { Logger } from 'pino';
import type { FileSystem, KernelCounters, KernelMount, KernelOptions } from '../kernel.js';
import { opcodeName, READ_BUFFER_BYTES } from './abi.js';
import { Channel } from './channel.js';
import { mountDevice, mountThroughHelper, unmount } from './mount-command.js';
import { EpollReader, epollWorks, type Reader, type ReaderEvents, ThreadPoolReader } from './reader.js';
import { Session } from './session.js';

const DEVICE = '/dev/fuse';
const INIT_MS = 10_000;

export interface DevFuseOptions extends KernelOptions {
  /** Default: epoll if it passes its self-test, else the thread pool. */
  reader?: 'epoll' | 'thread-pool';
}

/**
 * Resolves when the kernel and this process have agreed on the protocol: the mount is usable then.
 * @throws Error of one line: no device, not permitted, mount(8) or fusermount3(1) refused, kernel too old
 */
export async function attachDevFuse(fs: FileSystem, options: DevFuseOptions, log: Logger): Promise<KernelMount> {
  if (endianness() !== 'LE') throw new Error('the /dev/fuse interface needs a little-endian machine');
  const epoll = options.reader ? options.reader === 'epoll' : await epollWorks(openDevice(true));
  if (!epoll && !options.reader) log.warn('epoll on /dev/fuse does not work in this Node: reading on the thread pool');
  const device = await mountedDevice(options, epoll);
  const channel = new Channel(device, log);

  let initialized: (problem: string | undefined) => void = () => {};
  const init = new Promise<string | undefined>((resolve) => {
    initialized = resolve;
  });
  const session = new Session(channel, fs, { ...options.features, ...options }, log, initialized);
  let endOf: (reason: string) => void = () => {};
  const ended = new Promise<string>((resolve) => {
    endOf = resolve;
  });
  const events: ReaderEvents = {
    onRequest: (buffer, length) => session.onRequest(buffer, length),
    onEnd: (code) => {
      channel.end();
      if (!epoll) closeSync(device);
      initialized(`the connection ended: ${code}`);
      endOf(reasonOf(code));
    },
  };
  const reader: Reader = epoll
    ? new EpollReader(device, READ_BUFFER_BYTES, events)
    : new ThreadPoolReader(device, READ_BUFFER_BYTES, events);

  reader.start();
  const timer = setTimeout(() => initialized('the kernel did not begin the protocol'), INIT_MS);
  const problem = await init;
  clearTimeout(timer);
  if (problem !== undefined) {
    await unmount(options.mountpoint, 'lazily').catch(() => {});
    throw new Error(`mounting ${options.mountpoint} failed: ${problem}`);
  }
  fs.attached(channel);
  log.debug({ protocol: session.agreed, reader: reader.name }, 'mounted');
  return {
    reader: reader.name,
    ended,
    counters: () => countersOf(session, channel),
    unmount: () => unmount(options.mountpoint),
  };
}

/** An open /dev/fuse that is mounted. */
async function mountedDevice(options: DevFuseOptions, nonBlocking: boolean): Promise<number> {
  // libuv sets O_NONBLOCK where it is to poll.
  if (process.geteuid?.() !== 0) return mountThroughHelper(options);
  const device = openDevice(nonBlocking);
  try {
    await mountDevice(device, options);
    return device;
  } catch (error) {
    closeSync(device);
    throw error;
  }
}

function openDevice(nonBlocking: boolean): number {
  try {
    return openSync(DEVICE, constants.O_RDWR | (nonBlocking ? constants.O_NONBLOCK : 0));
  } catch (error) {
    throw new Error(
      `${DEVICE} cannot be opened (${(error as NodeJS.ErrnoException).code}): load the fuse module, be root`,
    );
  }
}

function reasonOf(code: string): string {
  if (code === 'ENODEV' || code === 'EOF') return 'unmounted';
  if (code === 'ECONNABORTED') return 'the connection was aborted';
  return `reading ${DEVICE} failed: ${code}`;
}

function countersOf(session: Session, channel: Channel): KernelCounters {
  const named = (counts: ReadonlyMap<number, number>): Record<string, number> =>
    Object.fromEntries([...counts].map(([opcode, count]) => [opcodeName(opcode), count]));
  const [requests, fromMemory] = [named(session.requests), named(session.answeredAtOnce)];
  return {
    requests,
    fromMemory,
    notifications: channel.notifications,
    droppedNotifications: channel.droppedNotifications,
  };
}
