/** Advisory locks of this mount's processes: taken at the service, waited for here. */
import { setTimeout as delay } from 'node:timers/promises';
import { Errno } from '../src/fileservice/errno.js';
import type { LockKind, LockRequest } from '../src/fileservice/locks.js';
import { LOCK_TO_END } from '../src/fileservice/locks.js';
import type { Attributes } from '../src/fileservice/types.js';
import type { Node } from './cache/node.js';
import { DONE, type LockAnswer, type Outcome } from './kernel/kernel.js';
import type { MountContext } from './mount-context.js';
import type { OpenFile } from './open-file.js';

/** Between two attempts at a lock that another mount holds, at first and at most. */
const ATTEMPT_MS = { first: 4, most: 250 };

const WHOLE = { start: 0, end: LOCK_TO_END };

/** What the mount has to remember of a file's locks: by whom they are held, and who waits for them. */
interface Locked {
  /** As `kind` and owner, with the open file through which each came. */
  holders: Map<string, { kind: LockKind; owner: string; file: OpenFile }>;
  /** To be called when one of this mount's locks is dropped. */
  waiters: Set<() => void>;
}

export class Locks {
  private readonly locked = new Map<Node, Locked>();

  constructor(private readonly context: MountContext) {}

  /** F_GETLK: what is in the way. */
  async test(file: OpenFile, lock: LockRequest): Promise<Outcome<LockAnswer>> {
    const { node, credentials } = file;
    const result = await this.context.files.perform(credentials, { op: 'testlock', node, lock });
    return result as Outcome<LockAnswer>;
  }

  /**
   * F_SETLK, F_SETLKW, flock(2). Whoever gets a lock sees what was written before its last holder dropped it, whatever
   * the profile, and what is written under it is with the service when it is dropped.
   * @param signal ends the wait with EINTR; undefined: EAGAIN instead of waiting
   */
  async set(file: OpenFile, lock: LockRequest, signal: AbortSignal | undefined): Promise<Outcome> {
    const { node } = file;
    const lost = await this.context.writeBack(node);
    if (lost !== undefined && lock.type !== 'unlock') return lost;
    for (let pauseMs = ATTEMPT_MS.first; ; pauseMs = Math.min(pauseMs * 2, ATTEMPT_MS.most)) {
      if (signal?.aborted) return { errno: Errno.EINTR };
      const result = await this.context.files.perform(file.credentials, { op: 'lock', node, lock });
      if ('attributes' in result) {
        this.noteSet(file, lock);
        if (lock.type !== 'unlock') await this.takeOver(node, result.attributes);
        return DONE;
      }
      if (result.errno !== Errno.EAGAIN) return result;
      // The service has dropped the old type for the sake of the new.
      if (lock.kind === 'flock') this.noteSet(file, { ...lock, type: 'unlock' });
      if (signal === undefined) return result;
      await this.dropped(node, pauseMs, signal);
    }
  }

  /** What is remembered, and the kernel's pages of the file, are those of before the lock. */
  private async takeOver(node: Node, attributes: Attributes): Promise<void> {
    const { profile, notifier } = this.context;
    const until = await this.context.startAfresh();
    const current = await this.context.revalidate(node, attributes, until);
    if (current || !profile.pageCache) return;
    const { mark } = node.chain;
    await notifier.invalidateData(node.kernelIno);
    node.chain.restartSince(mark, attributes.change);
  }

  /** Resolves when one of this mount's locks on the node was dropped, after so long, or with the signal. */
  private async dropped(node: Node, ms: number, signal: AbortSignal): Promise<void> {
    const { waiters } = this.entry(node);
    const ended = new AbortController();
    const stop = (): void => ended.abort();
    waiters.add(stop);
    signal.addEventListener('abort', stop, { once: true });
    // Not all at once.
    await delay(ms * (0.5 + Math.random()), undefined, { signal: ended.signal }).catch(() => {});
    signal.removeEventListener('abort', stop);
    waiters.delete(stop);
    this.forget(node);
  }

  /** The process closes a descriptor of the file, and so drops all its fcntl locks on it (fcntl(2)). */
  closes(file: OpenFile, owner: string): Outcome | Promise<Outcome> {
    if (!this.locked.get(file.node)?.holders.has(`posix ${owner}`)) return DONE;
    return this.drop(file, 'posix', owner);
  }

  /** The open file is gone, and with it its flock, and what was locked through it by whose close was not heard. */
  async released(file: OpenFile): Promise<void> {
    for (const { kind, owner, file: through } of [...(this.locked.get(file.node)?.holders.values() ?? [])]) {
      if (through !== file) continue;
      const { errno } = await this.drop(file, kind, owner);
      if (errno !== 0) this.context.log.warn({ ino: file.node.ino, errno }, 'a lock was not dropped');
    }
  }

  private drop(file: OpenFile, kind: LockKind, owner: string): Promise<Outcome> {
    return this.set(file, { kind, type: 'unlock', ...WHOLE, owner, pid: 0 }, undefined);
  }

  /** Whether anyone here holds, or waits for, a lock on the node: then closes of it have to be heard. */
  concern(node: Node): boolean {
    return this.locked.has(node);
  }

  /** The service has dropped all locks of this mount: their holders are told at their next write, fsync or close. */
  lapse(): void {
    for (const { holders } of this.locked.values()) {
      for (const { file } of holders.values()) file.fail(Errno.EIO);
      holders.clear();
    }
    for (const node of [...this.locked.keys()]) this.forget(node);
  }

  private entry(node: Node): Locked {
    let entry = this.locked.get(node);
    if (entry === undefined) {
      entry = { holders: new Map(), waiters: new Set() };
      this.locked.set(node, entry);
    }
    return entry;
  }

  private noteSet(file: OpenFile, { kind, type, owner, start, end }: LockRequest): void {
    const { node } = file;
    const entry = this.entry(node);
    const key = `${kind} ${owner}`;
    if (type !== 'unlock') entry.holders.set(key, { kind, owner, file });
    else if (start === WHOLE.start && end === WHOLE.end) entry.holders.delete(key);
    if (type === 'unlock') for (const wake of [...entry.waiters]) wake();
    this.forget(node);
  }

  private forget(node: Node): void {
    const entry = this.locked.get(node);
    if (entry !== undefined && entry.holders.size === 0 && entry.waiters.size === 0) this.locked.delete(node);
  }
}
