/** What a client's key may do: replicated state, which every replica holds each call against itself. */
import { type ByteReader, type ByteWriter, MalformedBytes } from '../bytes.js';
import { readHandle, writeHandle } from './fields.js';
import type { Handle } from './types.js';

/** Numbers of users or groups, both ends included. */
export interface IdRange {
  low: number;
  high: number;
}

/** As whom calls are made instead of whom they state: root's, as root_squash of exports(5), or all, as its all_squash. */
export interface Squash {
  whom: 'root' | 'all';
  uid: number;
  gid: number;
}

/** A directory, and what path led there when the client was registered: that is for people. */
export interface Subtree extends Handle {
  /** A character a byte. */
  path: string;
}

export interface Quota {
  bytes: number;
  inodes: number;
}

export interface Rights {
  /** In order, and not touching each other. */
  uids: readonly IdRange[];
  gids: readonly IdRange[];
  /** Undefined: nobody. */
  squash: Squash | undefined;
  readOnly: boolean;
  /** Undefined: the whole file system. */
  subtree: Subtree | undefined;
  /** Of what the client makes; undefined: as much as there is. */
  quota: Quota | undefined;
  /**
   * Calls a second that each replica reads of the client, and as many at once; undefined: as many as come. It is no
   * condition of execution: replicas hold the client to it where they read from it (src/net/pace.ts).
   */
  rate: number | undefined;
}

export const RightsLimits = { ranges: 64, pathBytes: 1024, rate: 1_000_000 } as const;

const MAX_ID = 0xffff_ffff;
const ANY: readonly IdRange[] = [{ low: 0, high: MAX_ID }];

/** Of clients in the cluster file: they are trusted with the users they speak for. */
export const ALL_RIGHTS: Rights = {
  ...{ uids: ANY, gids: ANY, squash: undefined },
  ...{ readOnly: false, subtree: undefined, quota: undefined, rate: undefined },
};

export const isAny = (ranges: readonly IdRange[]): boolean =>
  ranges.length === 1 && ranges[0].low === 0 && ranges[0].high === MAX_ID;

export const isIn = (ranges: readonly IdRange[], id: number): boolean =>
  ranges.some(({ low, high }) => low <= id && id <= high);

/** Sorted, with those that overlap or touch made one: equal sets are equal bytes. */
export function canonicalRanges(ranges: readonly IdRange[]): IdRange[] {
  const merged: IdRange[] = [];
  for (const { low, high } of [...ranges].sort((a, b) => a.low - b.low)) {
    const last = merged.at(-1);
    if (last !== undefined && low <= last.high + 1) last.high = Math.max(last.high, high);
    else merged.push({ low, high });
  }
  return merged;
}

function writeRanges(w: ByteWriter, ranges: readonly IdRange[]): void {
  w.u8(ranges.length);
  for (const { low, high } of ranges) w.u32(low).u32(high);
}

function readRanges(r: ByteReader): IdRange[] {
  const count = r.u8();
  if (count > RightsLimits.ranges) throw new MalformedBytes(`${count} ranges`);
  let least = 0;
  return Array.from({ length: count }, () => {
    const range = { low: r.u32(), high: r.u32() };
    if (range.low < least || range.high < range.low) throw new MalformedBytes('ranges out of order');
    least = range.high + 2;
    return range;
  });
}

/** In a row: there is no rate of nothing. */
const UNLIMITED_RATE = 0;

const SQUASHED: readonly (Squash['whom'] | undefined)[] = [undefined, 'root', 'all'];

export function writeRights(w: ByteWriter, { uids, gids, squash, readOnly, subtree, quota, rate }: Rights): void {
  writeRanges(w, uids);
  writeRanges(w, gids);
  w.u8(SQUASHED.indexOf(squash?.whom));
  if (squash !== undefined) w.u32(squash.uid).u32(squash.gid);
  w.bool(readOnly).bool(subtree !== undefined);
  if (subtree !== undefined) {
    writeHandle(w, subtree);
    w.bytes(Buffer.from(subtree.path, 'latin1'));
  }
  w.bool(quota !== undefined);
  if (quota !== undefined) w.u64(quota.bytes).u64(quota.inodes);
  w.u32(rate ?? UNLIMITED_RATE);
}

export function readRights(r: ByteReader): Rights {
  const ids = { uids: readRanges(r), gids: readRanges(r) };
  const squashed = r.u8();
  if (squashed >= SQUASHED.length) throw new MalformedBytes(`squash ${squashed}`);
  const whom = SQUASHED[squashed];
  const squash = whom && { whom, uid: r.u32(), gid: r.u32() };
  const readOnly = r.bool();
  const subtree = r.bool()
    ? { ...readHandle(r), path: Buffer.from(r.bytes(RightsLimits.pathBytes)).toString('latin1') }
    : undefined;
  const quota = r.bool() ? { bytes: r.u64(), inodes: r.u64() } : undefined;
  const rate = r.u32();
  if (rate > RightsLimits.rate) throw new MalformedBytes(`rate ${rate}`);
  return { ...ids, squash, readOnly, subtree, quota, rate: rate === UNLIMITED_RATE ? undefined : rate };
}
