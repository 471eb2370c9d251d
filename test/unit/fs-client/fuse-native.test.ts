import { describe, expect, it } from 'vitest';
import { Handles } from '../../../fs-client/kernel/fuse-native/handles.js';
import { componentsOf, EILSEQ, fromBytes, toLatin1 } from '../../../fs-client/kernel/fuse-native/names.js';
import { statfsOf, statOf } from '../../../fs-client/kernel/fuse-native/stat.js';
import { Walk } from '../../../fs-client/kernel/fuse-native/walk.js';
import type { FileSystem } from '../../../fs-client/kernel/kernel.js';
import { Errno } from '../../../src/fileservice/errno.js';
import type { Attributes } from '../../../src/fileservice/types.js';

const time = { seconds: 1_000_000_000, nanoseconds: 999_999_999 };
const attributes: Attributes = {
  ...{ ino: 7, generation: 1, mode: 0o100644, nlink: 1, uid: 1, gid: 2, rdev: 0, size: 2 ** 40 + 1, blocks: 8 },
  ...{ atime: time, mtime: time, ctime: time, change: 1, hasXattrs: false },
};

describe('names for fuse-native', () => {
  it('are the same bytes on both sides', () => {
    const name = 'ünï ☃ 𝄞 \u0001';
    expect(fromBytes(Buffer.from(toLatin1(name), 'latin1'))).toBe(name);
    expect(componentsOf('/a/ü')).toEqual(['a', '\u00c3\u00bc']);
    expect(componentsOf('/')).toEqual([]);
    // A byte order mark is a character of the name like any other.
    expect(fromBytes(Buffer.from([0xef, 0xbb, 0xbf, 0x61]))).toBe('\ufeffa');
  });

  it.each([
    ['no UTF-8', [0xff]],
    ['cut short', [0x61, 0xe2, 0x98]],
    ['overlong', [0xc0, 0xaf]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
    ['what stands for them', [0xef, 0xbf, 0xbd]],
  ])('are refused where text could not tell them apart: %s', (_, bytes) => {
    expect(fromBytes(Uint8Array.from(bytes))).toBeUndefined();
  });
});

describe('attributes for fuse-native', () => {
  it('are in milliseconds, rounded down', () => {
    expect(statOf(attributes)).toMatchObject({
      errno: 0,
      stat: { size: 2 ** 40 + 1, mtime: 1_000_000_000_999, ino: 7 },
    });
    expect(statOf({ ...attributes, atime: { seconds: 0, nanoseconds: 0 } })).toMatchObject({ stat: { atime: 0 } });
  });

  it('that do not fit are refused', () => {
    expect(statOf({ ...attributes, ino: 2 ** 32 })).toEqual({ errno: Errno.EOVERFLOW });
    expect(statOf({ ...attributes, mtime: { seconds: -1, nanoseconds: 5e8 } })).toEqual({ errno: Errno.EOVERFLOW });
  });

  it('of a large file system are in larger blocks', () => {
    const small = { blockSize: 4096, blocks: 1000, freeBlocks: 900, files: 10, freeFiles: 5 };
    expect(statfsOf(small)).toMatchObject({ bsize: 4096, frsize: 4096, blocks: 1000, bfree: 900, bavail: 900 });
    const large = statfsOf({ ...small, blocks: 2 ** 34, freeBlocks: 2 ** 33 });
    expect(large.blocks).toBeLessThan(2 ** 32);
    expect(large.blocks * large.frsize).toBe(2 ** 34 * 4096);
    expect(large.bfree * large.frsize).toBe(2 ** 33 * 4096);
  });
});

describe('open handles of fuse-native', () => {
  const file = { fh: 5, ino: 7, directory: false, append: false, synchronous: false };

  it('follow what this mount renames, and only that', () => {
    const handles = new Handles();
    handles.add('/a/b/f', file);
    handles.renamed('/a/b', '/c');
    expect([handles.ambiguous('/c/f', 8), handles.ambiguous('/c/f', 7), handles.ambiguous('/a/b/f', 8)]).toEqual([
      ...[true, false, false],
    ]);
    handles.renamed('/cc', '/d');
    expect(handles.occupied('/c/f')).toBe(true);
    handles.removed('/c/f');
    expect([handles.occupied('/c/f'), handles.ambiguous('/c/f', 8)]).toEqual([false, false]);
  });

  it('of what a rename replaced are of no path any more', () => {
    const handles = new Handles();
    handles.add('/d', { ...file, directory: true, ino: 3 });
    handles.add('/e', { ...file, directory: true, ino: 4 });
    expect(handles.occupied('/d')).toBe(false);
    handles.renamed('/e', '/d');
    expect([handles.ambiguous('/d', 4), handles.ambiguous('/d', 3)]).toEqual([false, true]);
  });

  it('are never 0, and found until they are taken', () => {
    const handles = new Handles();
    const ids = [handles.add('/f', file), handles.add('/f', file)];
    expect(new Set([0, ...ids]).size).toBe(3);
    expect(handles.take(ids[0])?.fh).toBe(5);
    expect(handles.get(ids[0])).toBeUndefined();
    expect(handles.get(ids[1])?.ino).toBe(7);
  });
});

describe('a walk of fuse-native', () => {
  /** Every name is there; its inode has the number that the name says. */
  function counting() {
    const held = new Map<number, number>();
    const count = (ino: number, by: number) => held.set(ino, (held.get(ino) ?? 0) + by);
    const fs = {
      lookup: async (_: unknown, parent: number, name: string) => {
        if (parent !== 1 && (held.get(parent) ?? 0) <= 0) throw new Error(`inode ${parent} is not referenced`);
        if (name === 'absent') return { errno: Errno.ENOENT };
        count(Number(name), 1);
        return { errno: 0, attributes: { ...attributes, ino: Number(name) }, attributesMs: 0, entryMs: 0 };
      },
      forget: (ino: number, lookups: number) => count(ino, -lookups),
    } as unknown as FileSystem;
    return { held, walk: new Walk(fs, { uid: 0, gid: 0, pid: 1 }) };
  }
  const referenced = (held: Map<number, number>) => [...held.values()].filter((count) => count !== 0).length;

  it('refuses what is no text, and answers what the lookups do', async () => {
    const { walk } = counting();
    const use = () => ({ errno: 0 as const });
    expect(await walk.to('/2/\ufffd', use)).toEqual({ errno: EILSEQ });
    expect(await walk.toParent('/2/\ufffd', use)).toEqual({ errno: EILSEQ });
    expect(await walk.to('/2/absent/3', use)).toEqual({ errno: Errno.ENOENT });
    expect(await walk.toParent('/2/absent', (parent, name) => ({ errno: 0, found: [parent, name] }))).toEqual({
      ...{ errno: 0, found: [2, 'absent'] },
    });
    expect(await walk.to('/', (ino) => ({ errno: 0, ino }))).toEqual({ errno: 0, ino: 1 });
  });

  it('keeps a bounded number of inodes, and none forgotten that is in use', async () => {
    const { held, walk } = counting();
    let release = () => {};
    const used = walk.to(
      '/2/3',
      () =>
        new Promise((resolve) => {
          release = () => resolve({ errno: 0 });
        }),
    );
    for (let ino = 10; ino < 40_010; ino += 2) await walk.to(`/${ino}/${ino + 1}`, () => ({ errno: 0 }));
    expect(held.get(3)).toBe(1);
    expect(held.get(2)).toBe(0);
    expect(referenced(held)).toBeGreaterThan(10_000);
    expect(referenced(held)).toBeLessThan(17_000);
    expect([...held.values()].every((count) => count >= 0)).toBe(true);
    release();
    expect(await used).toEqual({ errno: 0 });
  });
});
