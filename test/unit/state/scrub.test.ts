import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isDamage } from '../../../replica/state/database.js';
import { type FileState, type FileStateOptions, openFileState } from '../../../replica/state/index.js';
import { Random } from '../../simulation/random.js';
import { create, initially, observe, reply, setXattr, write } from './changes.js';
import { alter, copied, dump, overwrite, scrubbed } from './damage.js';
import { change } from './random-changes.js';
import { Driver, options } from './support.js';
import { begin, certify, copyOfFiles, execute, filled, gather, hex, install } from './transfers.js';

describe('a scrub', () => {
  it('finds nothing wrong where nothing is, whatever happens between its steps', () => {
    const event = fc.constantFrom('none', 'none', 'none', 'commit', 'checkpoint', 'release', 'roll back', 'restart');
    const step = fc.tuple(fc.array(change, { maxLength: 6 }), event, fc.nat(3));
    fc.assert(
      fc.property(fc.array(step, { minLength: 8, maxLength: 20 }), (history) => {
        const fs = Driver.fresh();
        execute(fs, initially);
        let scrub = fs.state.scrub();
        let rows = 0;
        for (const [changes, event, steps] of history) {
          execute(fs, changes);
          if (event === 'commit') fs.state.commit();
          if (event === 'checkpoint') fs.state.checkpoint();
          if (event === 'release') fs.state.releaseCheckpoints(fs.state.readableCheckpoints.at(-1)!);
          if (event === 'roll back') {
            fs.state.beginBatch(fs.state.lastExecuted + 1);
            fs.state.endBatch(fs.nextTime);
          }
          if (event === 'restart') {
            fs.restart();
            scrub = fs.state.scrub();
          }
          for (let i = 0; i < steps; i++) {
            const done = scrub.step();
            expect(scrub.damaged).toBe(0);
            rows = Math.max(rows, scrub.rows);
            if (done) scrub = fs.state.scrub();
          }
          if (event === 'roll back') fs.state.rollbackBatch();
        }
        expect(scrubbed(fs.state)).toMatchObject({ damaged: 0 });
        fs.state.close();
      }),
      { seed: 8, numRuns: 40 },
    );
  });

  it('looks at every row', () => {
    const fs = filled(500);
    fs.state.commit();
    expect(scrubbed(fs.state)).toMatchObject({ rows: dump(fs.state).size - 2, damaged: 0 });
  });
});

const UP_TO_THE_LAST = 'substr(content, 1, length(content) - 1)';
const ROOT_NODE = "prefix = x''";
const LAST_NODE = 'prefix = (SELECT max(prefix) FROM tree_node)';

/** Behind the back of a state of 100 files, one of which has an attribute, whose tree is up to date. */
const damages: [what: string, sql: string][] = [
  ['a byte of a block', "UPDATE block SET data = CAST('x' || substr(data, 2) AS BLOB) WHERE fork = 77"],
  ['a block that is gone', 'DELETE FROM block WHERE fork = 77'],
  ['a block that nobody wrote', "INSERT INTO block VALUES (77, 5, x'00')"],
  ['a block of another place', 'UPDATE block SET position = 9 WHERE fork = 77'],
  ['the owner of a file', 'UPDATE inode SET uid = 7 WHERE ino = 77'],
  ['an inode that is gone', 'DELETE FROM inode WHERE ino = 77'],
  ['an inode beyond all others', 'UPDATE inode SET ino = 99999 WHERE ino = 77'],
  ['an inode with a number that none has', 'UPDATE inode SET size = -1 WHERE ino = 77'],
  ['a name', "UPDATE dentry SET name = CAST('other' AS BLOB) WHERE child = 77"],
  ['an entry that is gone', 'DELETE FROM dentry WHERE child = 77'],
  ['an entry in another directory', 'UPDATE dentry SET parent = 3 WHERE child = 77'],
  ['the order of a directory', 'UPDATE dentry SET cookie = 90000 WHERE child = 77'],
  ['an attribute', "UPDATE xattr SET value = x'00'"],
  ['the name of an attribute', "UPDATE xattr SET name = CAST('user.b' AS BLOB)"],
  ['an attribute that is gone', 'DELETE FROM xattr'],
  ['an attribute of another file', 'UPDATE xattr SET ino = 78'],
  ['the clock', 'UPDATE state SET clock_seconds = clock_seconds + 1'],
  ['a counter that none has', 'UPDATE state SET next_ino = -1'],
  ['a session', 'UPDATE session SET slots = slots + 1'],
  ['a remembered reply', "UPDATE slot SET result = x'01'"],
  ['what a client has used', `UPDATE client SET content = CAST(${UP_TO_THE_LAST} || x'01' AS BLOB) WHERE id = 1`],
  ['the number of a client', 'UPDATE client SET id = 99 WHERE id = 1'],
  ['a client that is gone', 'DELETE FROM client WHERE id = 1'],
  ['half the files', 'DELETE FROM inode WHERE ino % 2 = 0'],
  ['the top of the tree', `UPDATE tree_node SET content = zeroblob(length(content)) WHERE ${ROOT_NODE}`],
  ['the top of the tree, gone', `DELETE FROM tree_node WHERE ${ROOT_NODE}`],
  ['a node of the tree', "UPDATE tree_node SET content = CAST(content || x'00' AS BLOB) WHERE length(prefix) > 5"],
  ['a node that is gone', 'DELETE FROM tree_node WHERE length(prefix) > 5'],
  ['a node in the place of another', `UPDATE tree_node SET prefix = x'ff' WHERE ${LAST_NODE}`],
  [
    'what a checkpoint had',
    "UPDATE row_image SET content = CAST(substr(content, 1, 17) || x'01' AS BLOB) WHERE length(content) > 1000",
  ],
];

describe('damage', () => {
  for (const [what, sql] of damages) {
    it(`${what}: is found, and mended by a transfer that fetches no more than it`, () => {
      let counted = 0;
      const source = filled(100);
      const target = filled(100, new Driver({ ...options(), onDamage: (rows) => (counted += rows) }));
      for (const fs of [source, target]) execute(fs, [setXattr({ ino: 77, generation: 1 }, 'user.a', Buffer.alloc(9))]);
      const certified = [source, target].map(certify)[0];
      for (const fs of [source, target]) execute(fs, [write({ ino: 90, generation: 1 }, 0, Buffer.alloc(1500, 1))]);
      target.state.commit();
      const { rows } = scrubbed(target.state);
      alter(target, sql);
      const { damaged } = scrubbed(target.state);
      expect(damaged).toBeGreaterThan(0);

      target.state.distrust();
      expect(target.state.readableCheckpoints).toEqual([]);
      expect(() => target.state.beginBatch(target.state.lastExecuted + 1)).toThrow('damaged');
      const transfer = begin(target, certified);
      gather(transfer, source.state);
      // The batch after the checkpoint is undone too: an inode, its block and the header.
      expect(transfer.progress.rows).toBeLessThanOrEqual(damaged + 4);
      install(transfer);
      expect(target.state.damaged).toBe(false);
      expect(counted).toBe(damaged);
      expect(hex(target.state.recomputeDigest())).toBe(hex(certified.root));
      execute(target, [write({ ino: 90, generation: 1 }, 0, Buffer.alloc(1500, 1))]);
      expect(hex(target.state.checkpoint())).toBe(hex(source.state.checkpoint()));
      expect(scrubbed(target.state)).toMatchObject({ rows, damaged: 0 });
      expect(dump(target.state)).toEqual(dump(source.state));
      target.restart();
      expect(scrubbed(target.state)).toMatchObject({ rows, damaged: 0 });
    });
  }

  it('of rows that changed since the latest checkpoint is found too', () => {
    const fs = filled(50);
    fs.state.checkpoint();
    execute(fs, [write({ ino: 7, generation: 1 }, 0, Buffer.alloc(2000, 7)), create('new')]);
    fs.state.commit();
    expect(scrubbed(fs.state).damaged).toBe(0);
    alter(fs, "UPDATE block SET data = x'00' WHERE fork = 7");
    alter(fs, 'DELETE FROM dentry WHERE child = 52');
    expect(scrubbed(fs.state).damaged).toBe(2);
  });

  it('is not committed before it is mended, nor is anything else', () => {
    const fs = filled(20);
    fs.state.commit();
    const committed = dump(fs.state);
    const certified = certify(filled(20));
    execute(fs, [create('more'), reply(1, 5)]);
    fs.state.distrust();
    const transfer = begin(fs, certified);
    fs.state.commit();
    while (transfer.queries(1).length === 0);
    fs.state.commit();
    fs.restart();
    expect(dump(fs.state)).toEqual(committed);
  });
});

describe('bytes overwritten in the file', () => {
  /** More than is looked through when it is opened. */
  const large = (): Driver => {
    const fs = filled(100);
    const data = (i: number) => Buffer.alloc(32 * 1024, `${i} is what block ${i} has`);
    for (let i = 0; i < 300; i++) execute(fs, [write({ ino: 2 + (i % 7), generation: 1 }, i << 15, data(i))]);
    fs.state.checkpoint();
    execute(fs, [...initially.slice(-4), write({ ino: 50, generation: 1 }, 0, Buffer.alloc(900, 3)), create('last')]);
    fs.state.close();
    return fs;
  };

  it('are found when it is opened or by a scrub, or alter nothing that is seen', () => {
    const original = large();
    const { path } = original.options;
    expect(statSync(path).size).toBeGreaterThan(8 << 20);
    const twin = new Driver(original.options, openFileState(original.options));
    const expected = dump(twin.state);
    const goOn = (fs: Driver): string => {
      for (let i = 0; i < 20; i++)
        execute(fs, [create(`later ${i}`), write({ ino: 3 + i, generation: 1 }, 0, Buffer.alloc(40_000, i))]);
      const root = hex(fs.state.checkpoint());
      return `${root} ${JSON.stringify(observe(fs.state))}`;
    };
    const untouched = copied(path, mkdtempSync(join(dirname(path), 'original-')));
    twin.state.close();
    const outcomes = { opening: 0, scrub: 0, harmless: 0 };
    const reference = new Driver(
      { ...original.options, path: untouched },
      openFileState({ ...original.options, path: untouched }),
    );
    expect(scrubbed(reference.state).damaged).toBe(0);
    const continued = goOn(reference);
    reference.state.close();
    const runs = Number(process.env.BYZFS_DAMAGE_RUNS ?? 100);
    for (let seed = 1; seed <= runs; seed++) {
      const directory = mkdtempSync(join(dirname(path), 'damaged-'));
      const damagedPath = copied(path, directory);
      overwrite(damagedPath, new Random(seed));
      const outcome = (): keyof typeof outcomes => {
        let fs: Driver;
        try {
          fs = new Driver(
            { ...original.options, path: damagedPath },
            openFileState({ ...original.options, path: damagedPath }),
          );
        } catch (error) {
          expect(error).toMatchObject({ name: 'StateError' });
          return 'opening';
        }
        try {
          if (scrubbed(fs.state).damaged > 0) return 'scrub';
        } catch (error) {
          if (!isDamage(error)) throw error;
          return 'scrub';
        }
        expect(dump(fs.state), `seed ${seed}`).toEqual(expected);
        expect(goOn(fs), `seed ${seed}`).toBe(continued);
        fs.state.close();
        return 'harmless';
      };
      outcomes[outcome()]++;
      rmSync(directory, { recursive: true, force: true });
    }
    expect(outcomes.scrub).toBeGreaterThan(runs / 4);
    expect(outcomes.harmless).toBeLessThan(runs / 2);
    if (runs > 100) console.log(outcomes);
  }, 2_000_000);

  it('of the log beside it are found too, or it is as it was at an earlier commit', () => {
    const fs = filled(30);
    const commits = new Map<number, Map<string, string>>();
    // Killed where all of the log was just copied to the database, and where it has begun anew.
    const kills: FileStateOptions[] = [];
    for (let i = 0; i < 14; i++) {
      execute(fs, [
        create(`between ${i}`),
        write({ ino: 3 + i, generation: 1 }, i << 15, Buffer.alloc(700 << 10, i + 1)),
      ]);
      execute(fs, [write({ ino: 20, generation: 1 }, 0, Buffer.alloc(20, i))]);
      if (i % 5 === 4) fs.state.checkpoint();
      fs.state.commit();
      commits.set(fs.state.lastExecuted, dump(fs.state));
      if (fs.state.statistics.checkpointed === fs.state.lastExecuted || i === 13) kills.push(copyOfFiles(fs));
    }
    expect(kills.length).toBeGreaterThan(2);
    expect(fs.state.statistics.checkpointed).toBeLessThan(fs.state.lastExecuted);
    const outcomes = { opening: 0, scrub: 0, earlier: 0 };
    for (let seed = 1; seed <= 60; seed++) {
      const killed = kills[seed % kills.length];
      const directory = mkdtempSync(join(dirname(killed.path), 'damaged-'));
      const path = copied(killed.path, directory);
      overwrite(`${path}-wal`, new Random(seed));
      const outcome = (): keyof typeof outcomes => {
        let state: FileState;
        try {
          state = openFileState({ ...killed, path });
        } catch (error) {
          expect(error).toMatchObject({ name: 'StateError' });
          return 'opening';
        }
        try {
          if (scrubbed(state).damaged > 0) return 'scrub';
        } catch (error) {
          if (!isDamage(error)) throw error;
          return 'scrub';
        }
        expect(dump(state), `seed ${seed}`).toEqual(commits.get(state.lastExecuted));
        return 'earlier';
      };
      outcomes[outcome()]++;
      rmSync(directory, { recursive: true, force: true });
    }
    expect(outcomes.opening + outcomes.scrub).toBeGreaterThan(10);
    expect(outcomes.earlier).toBeGreaterThan(10);
  }, 120_000);
});
