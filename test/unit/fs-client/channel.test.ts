/** Notifications, written to a file in place of the kernel. */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Channel } from '../../../fs-client/kernel/dev-fuse/channel.js';

const [INVAL_INODE, INC_EPOCH] = [2, 8];
const INODE_BYTES = 40;

let directory: string;
let fd: number;
let channel: Channel;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'byzfs-channel-'));
  fd = openSync(join(directory, 'device'), 'a');
  channel = new Channel(fd, pino({ level: 'silent' }));
});
afterEach(() => {
  channel.end();
  closeSync(fd);
  rmSync(directory, { recursive: true });
});
const written = () => readFileSync(join(directory, 'device'));

it('tells of the pages of every inode, however many, once while it waits', async () => {
  for (let round = 0; round < 2; round++) for (let ino = 1; ino <= 1500; ino++) channel.invalidateData(ino);
  // The first is on its way when it is asked for again.
  const count = 1501;
  await expect.poll(() => written().length, { timeout: 10_000 }).toBe(count * INODE_BYTES);
  const bytes = written();
  const inos = new Set<number>();
  for (let at = 0; at < count * INODE_BYTES; at += INODE_BYTES) {
    expect([bytes.readUInt32LE(at), bytes.readInt32LE(at + 4)]).toEqual([INODE_BYTES, INVAL_INODE]);
    inos.add(Number(bytes.readBigUInt64LE(at + 16)));
  }
  expect([inos.size, channel.droppedNotifications]).toEqual([1500, 0]);
});

it('bounds the names that wait to be told of', async () => {
  for (let i = 0; i < 1500; i++) channel.invalidateEntry(1, 'x');
  expect(channel.droppedNotifications).toBe(1500 - 1024 - 1);
  await expect.poll(() => channel.notifications, { timeout: 10_000 }).toBe(1025);
});

it('drops all names with one notification, before anything else is answered', () => {
  channel.invalidateEntries();
  expect(written().length).toBe(16);
  expect([written().readUInt32LE(0), written().readInt32LE(4)]).toEqual([16, INC_EPOCH]);
});
