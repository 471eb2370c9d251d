import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Contents } from '../../../bench/contents.js';
import { readFile, writeFile } from '../../../bench/files/calls.js';
import { runSequential, sequentialTurn } from '../../../bench/files/sequential.js';
import { runSmall, smallTurn } from '../../../bench/files/small.js';
import { medianQuantiles, quantiles } from '../../../bench/statistics.js';
import { settingsOf } from '../../../bench/targets.js';

let work: string;
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'byzfs-test-'));
});
afterEach(() => rmSync(work, { recursive: true, force: true }));

const step = async () => {};

describe('contents', () => {
  it('are the same for the same number, and others for others', () => {
    const a = new Contents(1, 5000);
    const b = new Contents(1, 5000);
    expect(a.of(77, 10, 5000).equals(b.of(77, 10, 5000))).toBe(true);
    expect(
      a
        .of(77, 0, 5000)
        .subarray(10)
        .equals(a.of(77, 10, 5000)),
    ).toBe(true);
    const first = new Set(Array.from({ length: 2000 }, (_, i) => a.of(i, 0, 16).toString('hex')));
    expect(first.size).toBe(2000);
    expect(() => a.of(0, 0, 5001)).toThrow(RangeError);
  });

  it('are compared to the byte', () => {
    const contents = new Contents(1, 5000);
    const read = Buffer.from(contents.of(3, 100, 300));
    contents.check('f', read, 3, 100, 300);
    expect(() => contents.check('f', read.subarray(1), 3, 100, 300)).toThrow('f: 199 bytes read back, 200 written');
    expect(() => contents.check('f', read, 4, 100, 300)).toThrow('from byte 100 on');
    read[50] ^= 1;
    expect(() => contents.check('f', read, 3, 100, 300)).toThrow('f: read back other than written, from byte 150 on');
  });
});

describe('whole files', () => {
  it.each([1, 7, 1000, 5000])('are written, appended to and read in calls of %i bytes', (callBytes) => {
    const path = join(work, 'f');
    const data = Buffer.from(Array.from({ length: 1000 }, (_, i) => i % 251));
    writeFile(path, 'wx', data.subarray(0, 600), callBytes);
    writeFile(path, 'a', data.subarray(600), callBytes);
    expect(readFileSync(path).equals(data)).toBe(true);
    expect(readFile(path, Buffer.alloc(1001), callBytes).equals(data)).toBe(true);
    expect(() => writeFile(path, 'wx', data, callBytes)).toThrow('EEXIST');
  });
});

describe('quantiles', () => {
  it('go as far as single operations tell', () => {
    const hundred = Array.from({ length: 100 }, (_, i) => 100 - i);
    expect(quantiles(hundred)).toEqual([
      ...[0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99].map((share) => [share, Math.round(share * 100) * 1000]),
    ]);
    expect(quantiles([3, 1]).map(([share]) => share)).toEqual([0.01, 0.05, 0.1, 0.25, 0.5]);
  });

  it('of runs are the medians, of the shares that all have', () => {
    const one = [
      [0.5, 10],
      [0.9, 30],
    ] as const;
    const two = [
      [0.5, 20],
      [0.9, 20],
      [0.99, 90],
    ] as const;
    const three = [
      [0.5, 90],
      [0.9, 40],
    ] as const;
    expect(medianQuantiles([two, one, three])).toEqual([
      [0.5, 20],
      [0.9, 30],
    ]);
  });
});

describe('small files', () => {
  it('are made, made with fsync, read and removed', async () => {
    const times = await smallTurn({ files: 35, bytes: 4096 }, { work, step });
    expect(times.map(({ name, operations }) => [name, operations])).toEqual([
      ['create', 35],
      ['create+fsync', 4],
      ['read', 35],
      ['remove', 35],
    ]);
    // Those with fsync stay until the directory goes.
    expect(readdirSync(work).sort()).toEqual(['synced-0', 'synced-1', 'synced-2', 'synced-3']);
    expect(statSync(join(work, 'synced-0')).size).toBe(4096);
  });

  it('fail on one that is too short', async () => {
    const shorten = async () => {
      if (readdirSync(work).includes('synced-0')) truncateSync(join(work, '7'), 4095);
    };
    await expect(smallTurn({ files: 10, bytes: 4096 }, { work, step: shorten })).rejects.toThrow(
      '/7: 4095 bytes read back, 4096 written',
    );
  });
});

describe('one large file', () => {
  it('is written and read in calls of a size, the last one shorter', async () => {
    const times = await sequentialTurn({ bytes: 1_000_000, callBytes: 131_072 }, { work, step });
    expect(times.map(({ name, operations, bytes }) => [name, operations, bytes])).toEqual([
      ['write', 8, 1_000_000],
      ['fsync', 1, undefined],
      ['read', 8, 1_000_000],
      ['read again', 8, 1_000_000],
    ]);
    expect(statSync(join(work, 'large')).size).toBe(1_000_000);
  });

  it('fails on a byte that is another', async () => {
    let steps = 0;
    const spoil = async () => {
      if (++steps === 1) writeFileSync(join(work, 'large'), '?', { flag: 'r+' });
    };
    await expect(sequentialTurn({ bytes: 300_000, callBytes: 100_000 }, { work, step: spoil })).rejects.toThrow(
      'large, call 0: read back other than written, from byte 0 on',
    );
  });
});

describe('targets that are directories', () => {
  it('are described by the table of mounts', () => {
    const table = [
      '/dev/a / ext4 rw,relatime 0 0',
      `/dev/b ${work} xfs ro 0 0`,
      `peer ${work} fuse.peer rw,max_read=1 0 0`,
      `x ${work}-other tmpfs rw 0 0`,
    ].join('\n');
    expect(settingsOf(work, table).fileSystem).toBe('fuse.peer (rw,max_read=1)');
    expect(settingsOf(tmpdir(), table).fileSystem).toBe('ext4 (rw,relatime)');
  });

  it('are measured in turn, and left as they were', async () => {
    const stepped: string[] = [];
    const options = {
      ...{ command: ['false'], runs: 3, builtIn: ['local'], paths: [{ name: 'here', path: work }] },
      signal: new AbortController().signal,
      progress: { start: (total: number) => stepped.push(String(total)), step: (what: string) => stepped.push(what) },
    };
    const small = await runSmall({ ...options, files: 100, bytes: 10 });
    // Four parts a run of each of two targets, in turn: local first in the first and third run.
    expect(stepped).toEqual([
      '24',
      ...['local', 'here', 'here', 'local', 'local', 'here'].flatMap((name) => Array.from({ length: 4 }, () => name)),
    ]);
    expect(small.targets.map(({ name }) => name)).toEqual(['local', 'here']);
    expect(small.targets[1].phases[0]).toMatchObject({ name: 'create', operations: 100 });
    expect(small.targets[1].phases[0].runs).toHaveLength(3);
    expect(small.targets[1].phases[0].quantilesUs!.at(-1)![0]).toBe(0.99);
    expect(small.targets[1].settings?.fsync).toBe('as that file system has it');
    const sequential = await runSequential({ ...options, bytes: 1000, callBytes: 300 });
    expect(sequential.targets[0].phases[0]).toMatchObject({ operations: 4, bytes: 1000 });
    expect(readdirSync(work)).toEqual([]);
  });

  it('that are none are refused before anything is started', async () => {
    const options = {
      ...{ command: ['false'], runs: 1, builtIn: ['byzfs'], paths: [{ name: 'gone', path: join(work, 'gone') }] },
      signal: new AbortController().signal,
      progress: { start: () => {}, step: () => {} },
    };
    await expect(runSmall({ ...options, files: 1, bytes: 1 })).rejects.toThrow(/target gone: .*gone is no directory/);
  });
});
