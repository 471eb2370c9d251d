/** The two directions of a /dev/fuse descriptor: requests in, replies and notifications out. */
import { write, writeSync, writevSync } from 'node:fs';
import type { Logger } from 'pino';
import type { Notifier } from '../kernel.js';
import { Notification, Size } from './abi.js';
import { ReplyBuffer } from './reply.js';

/** Notifications being written at a time: each may hold a thread of the pool until a request is answered. */
const NOTIFICATIONS_IN_FLIGHT = 1;
/** Names waiting beyond this, further ones are dropped: they expire by themselves with the kernel's timeouts. */
const NOTIFICATIONS_QUEUED = 1024;

const GONE: Promise<void> = Promise.resolve();

export class Channel implements Notifier {
  readonly reply = new ReplyBuffer();
  notifications = 0;
  droppedNotifications = 0;
  /** Inodes whose pages are to go, and who waits for that. None is left out: pages do not expire. */
  private readonly staleData = new Map<number, (() => void)[]>();
  private readonly queue: Buffer[] = [];
  private inFlight = 0;
  /** Resolves when all that were to be laundered are. */
  private laundering: Promise<void> = GONE;
  private open = true;

  constructor(
    private readonly fd: number,
    private readonly log: Logger,
  ) {}

  /** The device has ended: nothing is written any more. */
  end(): void {
    this.open = false;
    for (const waiting of this.staleData.values()) for (const resolve of waiting) resolve();
    this.staleData.clear();
    this.queue.length = 0;
  }

  /** Sends what `reply` holds, or only its header if `errno` is not 0. */
  send(uniqueLow: number, uniqueHigh: number, errno: number): void {
    if (!this.open) return;
    const { reply } = this;
    const length = errno === 0 ? reply.length : Size.OUT_HEADER;
    reply.header(length, errno, uniqueLow, uniqueHigh);
    try {
      writeSync(this.fd, reply.bytes, 0, length);
    } catch (error) {
      this.refused(error as NodeJS.ErrnoException);
    }
  }

  /** Header and data gathered in one system call, without a copy. */
  sendData(uniqueLow: number, uniqueHigh: number, data: Uint8Array): void {
    if (!this.open) return;
    const { reply } = this;
    reply.header(Size.OUT_HEADER + data.length, 0, uniqueLow, uniqueHigh);
    try {
      writevSync(this.fd, [reply.bytes.subarray(0, Size.OUT_HEADER), data]);
    } catch (error) {
      this.refused(error as NodeJS.ErrnoException);
    }
  }

  private refused(error: NodeJS.ErrnoException): void {
    // ENOENT: the request was interrupted and is gone. ENODEV, EPERM: the mount is.
    if (error.code === 'ENOENT' || error.code === 'ENODEV' || error.code === 'EPERM') return;
    this.log.error({ err: error }, 'the kernel refused a reply');
  }

  invalidateAttributes(ino: number): Promise<void> {
    // Not queued behind those that may wait: OPEN waits for it.
    return new Promise((resolve) => this.write(inodeMessage(ino, -1), resolve));
  }

  invalidateData(ino: number): Promise<void> {
    if (!this.open) return GONE;
    const waiting = this.staleData.get(ino) ?? [];
    this.staleData.set(ino, waiting);
    const gone = new Promise<void>((resolve) => waiting.push(resolve));
    this.pump();
    return gone;
  }

  launderData(ino: number): Promise<void> {
    // One at a time, since each may hold a thread of the pool; but not behind those that may wait for what LSEEK holds.
    this.laundering = this.laundering.then(
      () => new Promise((resolve) => (this.open ? this.write(inodeMessage(ino, 0), resolve) : resolve())),
    );
    return this.laundering;
  }

  invalidateEntry(parent: number, name: string): void {
    const message = Buffer.alloc(Size.OUT_HEADER + 16 + name.length + 1);
    header(message, Notification.INVAL_ENTRY);
    message.writeBigUInt64LE(BigInt(parent), 16);
    message.writeUInt32LE(name.length, 24);
    message.write(name, 32, 'latin1');
    if (!this.open || this.queue.length >= NOTIFICATIONS_QUEUED) {
      this.droppedNotifications++;
      return;
    }
    this.queue.push(message);
    this.pump();
  }

  invalidateEntries(): boolean {
    if (!this.open) return true;
    const message = Buffer.alloc(Size.OUT_HEADER);
    header(message, Notification.INC_EPOCH);
    this.notifications++;
    // Takes no lock either, and nothing answered from now on may be of an old name: written before any of it.
    try {
      writeSync(this.fd, message, 0, message.length);
      return true;
    } catch (error) {
      this.notNotified(error as NodeJS.ErrnoException);
      return (error as NodeJS.ErrnoException).code !== 'EINVAL';
    }
  }

  /**
   * Asynchronously, because a notification can wait in the kernel for a lock whose holder waits for our reply: written
   * from the thread that replies, three combinations of them deadlocked.
   */
  private pump(): void {
    if (this.inFlight >= NOTIFICATIONS_IN_FLIGHT) return;
    const [stale] = this.staleData;
    const message = stale === undefined ? this.queue.shift() : inodeMessage(stale[0], 0);
    if (message === undefined) return;
    if (stale !== undefined) this.staleData.delete(stale[0]);
    this.inFlight++;
    this.write(message, () => {
      this.inFlight--;
      for (const resolve of stale?.[1] ?? []) resolve();
      this.pump();
    });
  }

  private write(message: Buffer, done: () => void): void {
    this.notifications++;
    write(this.fd, message, 0, message.length, null, (error) => {
      if (error !== null) this.notNotified(error);
      done();
    });
  }

  private notNotified(error: NodeJS.ErrnoException): void {
    // ENOENT: the kernel does not hold that inode or name, which is as good. EINVAL: it is too old for INC_EPOCH.
    const harmless = error.code === 'ENOENT' || error.code === 'EINVAL';
    if (!harmless && this.open) this.log.warn({ err: error }, 'a notification was refused');
  }
}

function header(message: Buffer, code: number): void {
  message.writeUInt32LE(message.length, 0);
  message.writeInt32LE(code, 4);
}

/** fuse_notify_inval_inode_out: with a negative offset attributes only, else pages from there to the end too. */
function inodeMessage(ino: number, offset: number): Buffer {
  const message = Buffer.alloc(Size.OUT_HEADER + 24);
  header(message, Notification.INVAL_INODE);
  message.writeBigUInt64LE(BigInt(ino), 16);
  message.writeBigInt64LE(BigInt(offset), 24);
  return message;
}
