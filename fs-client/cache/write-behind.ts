/**
 * Data that WRITE was answered for and the service has not executed yet. Adjacent writes of one open file grow into an
 * extent, which becomes one ordered call. Extents of a file that do not overlap are outstanding together; one that
 * overlaps an earlier one waits for it, and appends wait for everything before them (DESIGN 3.6: concurrent calls of
 * one mount must commute).
 */
import type { Node } from './node.js';

export interface Extent<File> {
  node: Node;
  /** Through which open file it was written: its rights count, and it is told of a failure. */
  file: File;
  offset: number;
  data: Buffer;
  length: number;
  append: boolean;
  killPrivileges: boolean;
  /** Clock when its first byte arrived. */
  since: number;
}

interface Held<File> extends Extent<File> {
  /** Still growing, ready to be sent, or being executed. */
  state: 'open' | 'sealed' | 'sent';
  done: Promise<void>;
  finish: () => void;
}

export interface WriteOptions {
  append: boolean;
  killPrivileges: boolean;
}

/**
 * An extent ends at a multiple of this in the file. Large enough that agreement (≈ 0.3 ms) is little beside writing
 * the data (≈ 4 ms a MiB at each replica), small enough that several of a large file are under way at once.
 */
export const EXTENT_BYTES = 256 * 1024;
/** Bytes held, of all files; beyond it WRITE is answered late. A quarter of what replicas hold for one client. */
const HELD_BYTES = 16 * 1024 * 1024;
/** Extents held: small scattered writes cannot pile up either. */
const HELD_EXTENTS = 1024;
/** Extents being executed at a time, of all files: an eighth of the session's slots … */
const SENT_EXTENTS = 32;
/**
 * … and their bytes. Replicas have work enough with some; more would only wait in their queues, for longer than a
 * correct primary lets a request wait, and so be sent again and complained of.
 */
const SENT_BYTES = 2 * 1024 * 1024;
/** Data is sent when it is this old at the latest, looked after so often. */
const MAX_AGE_MS = 1000;
const SWEEP_MS = 250;

export class WriteBehind<File> {
  /** The extents of each file in the order they were begun; only the last may be open. */
  private readonly held = new Map<Node, Held<File>[]>();
  private readonly waitingForRoom: (() => void)[] = [];
  private heldBytes = 0;
  private heldExtents = 0;
  private sentExtents = 0;
  private sentBytes = 0;
  private sweeper: NodeJS.Timeout | undefined;

  /** @param execute writes one extent, deals with its failure, never rejects */
  constructor(private readonly execute: (extent: Extent<File>) => Promise<void>) {}

  /** With anything held. */
  get files(): number {
    return this.held.size;
  }

  isDirty(node: Node): boolean {
    return this.held.has(node);
  }

  /** Where the file ends, as far as what is held of it goes. */
  end(node: Node): number {
    let end = 0;
    for (const extent of this.held.get(node) ?? []) end = Math.max(end, extent.offset + extent.length);
    return end;
  }

  /** Takes a copy of `data`. Returns a promise if the caller must be kept waiting: too much is held. */
  write(file: File, node: Node, offset: number, data: Uint8Array, options: WriteOptions): Promise<void> | undefined {
    let extents = this.held.get(node);
    if (extents === undefined) {
      extents = [];
      this.held.set(node, extents);
    }
    for (let at = 0; at < data.length; ) {
      const extent = this.extentFor(extents, file, node, offset + at, options);
      const piece = data.subarray(at, at + limitOf(extent) - (offset + at));
      this.heldBytes += place(extent, offset + at, piece);
      at += piece.length;
      if (extent.offset + extent.length === limitOf(extent)) extent.state = 'sealed';
    }
    this.pump(node);
    this.sweeper ??= setTimeout(this.sweep, SWEEP_MS);
    if (this.hasRoom()) return undefined;
    return new Promise((resolve) => this.waitingForRoom.push(resolve));
  }

  /** Resolves when everything held of the file at this moment has been executed, well or not. */
  async flush(node: Node): Promise<void> {
    const extents = this.held.get(node);
    if (extents === undefined) return;
    seal(extents);
    const all = Promise.all(extents.map((extent) => extent.done));
    this.pump(node);
    await all;
  }

  async flushAll(): Promise<void> {
    await Promise.all([...this.held.keys()].map((node) => this.flush(node)));
  }

  /** What is not under way is not to be written any more. */
  discard(node: Node): void {
    for (const extent of this.held.get(node)?.filter((e) => e.state !== 'sent') ?? []) this.remove(extent);
  }

  discardAll(): void {
    for (const node of [...this.held.keys()]) this.discard(node);
  }

  /** The extent that grows by a write at `start`: the open one if it fits on, else a new one. */
  private extentFor(extents: Held<File>[], file: File, node: Node, start: number, options: WriteOptions): Held<File> {
    const last = extents[extents.length - 1];
    if (last?.state === 'open') {
      const end = last.offset + last.length;
      const fits = options.append ? start === end : start >= last.offset && start <= end;
      const alike = last.append === options.append && last.killPrivileges === options.killPrivileges;
      if (fits && alike && last.file === file) return last;
      last.state = 'sealed';
    }
    let finish: () => void = () => {};
    const done = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const since = performance.now();
    const { append, killPrivileges } = options;
    const data = Buffer.alloc(0);
    const added: Held<File> = {
      ...{ node, file, offset: start, data, length: 0, append, killPrivileges },
      ...{ state: 'open', since, done, finish },
    };
    extents.push(added);
    this.heldExtents++;
    return added;
  }

  /** Sends what may be sent of one file. */
  private pump(node: Node): void {
    const extents = this.held.get(node);
    if (extents === undefined) return;
    for (let i = 0; i < extents.length && this.maySend(); i++) {
      const extent = extents[i];
      if (extent.state === 'sealed' && !mustWait(extents, i)) this.send(extent);
      if (extent.append) return;
    }
  }

  private send(extent: Held<File>): void {
    extent.state = 'sent';
    this.sentExtents++;
    this.sentBytes += extent.length;
    extent.data = extent.data.subarray(0, extent.length);
    this.execute(extent).then(() => {
      this.sentExtents--;
      this.sentBytes -= extent.length;
      this.remove(extent);
      this.pump(extent.node);
      for (const node of this.held.keys()) {
        if (!this.maySend()) break;
        if (node !== extent.node) this.pump(node);
      }
    });
  }

  private remove(extent: Held<File>): void {
    const extents = this.held.get(extent.node)!;
    extents.splice(extents.indexOf(extent), 1);
    if (extents.length === 0) this.held.delete(extent.node);
    this.heldBytes -= extent.length;
    this.heldExtents--;
    if (this.hasRoom()) for (const resume of this.waitingForRoom.splice(0)) resume();
    extent.finish();
  }

  private maySend(): boolean {
    return this.sentExtents < SENT_EXTENTS && this.sentBytes < SENT_BYTES;
  }

  private hasRoom(): boolean {
    return this.heldBytes <= HELD_BYTES && this.heldExtents <= HELD_EXTENTS;
  }

  private readonly sweep = (): void => {
    this.sweeper = undefined;
    const old = performance.now() - (MAX_AGE_MS - SWEEP_MS);
    for (const [node, extents] of this.held) {
      const last = extents[extents.length - 1];
      if (last.state !== 'open' || last.since > old) continue;
      last.state = 'sealed';
      this.pump(node);
    }
    if (this.held.size > 0) this.sweeper = setTimeout(this.sweep, SWEEP_MS);
  };
}

function seal(extents: Held<unknown>[]): void {
  const last = extents[extents.length - 1];
  if (last.state === 'open') last.state = 'sealed';
}

/** The offset up to which an extent may grow. Where an append lands is not known, so only its length is bounded. */
function limitOf(extent: Extent<unknown>): number {
  const { offset, append } = extent;
  return append ? offset + EXTENT_BYTES : offset - (offset % EXTENT_BYTES) + EXTENT_BYTES;
}

/** Puts `piece` into the extent, over what is there and beyond; returns by how much the extent grew. */
function place(extent: Extent<unknown>, start: number, piece: Uint8Array): number {
  const at = start - extent.offset;
  const length = Math.max(extent.length, at + piece.length);
  if (length > extent.data.length) {
    // The first piece exactly, since most files are one write; then doubling.
    const capacity = extent.length === 0 ? length : Math.max(length, Math.min(2 * extent.data.length, EXTENT_BYTES));
    const larger = Buffer.allocUnsafe(capacity);
    extent.data.copy(larger, 0, 0, extent.length);
    extent.data = larger;
  }
  extent.data.set(piece, at);
  const growth = length - extent.length;
  extent.length = length;
  return growth;
}

/** Whether an earlier extent must be executed before the one at `index`. */
function mustWait(extents: readonly Extent<unknown>[], index: number): boolean {
  const extent = extents[index];
  for (let i = 0; i < index; i++) {
    const earlier = extents[i];
    if (extent.append || earlier.append) return true;
    if (earlier.offset < extent.offset + extent.length && extent.offset < earlier.offset + earlier.length) return true;
  }
  return false;
}
