import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openFileState } from '../../../replica/state/index.js';
import { encodeQuery } from '../../../replica/state/transfer-bytes.js';
import { create, initially, write } from './changes.js';
import { change } from './random-changes.js';
import { Driver } from './support.js';
import { begin, type Certified, certify, execute, expectReadable, hex } from './transfers.js';

const readableFrom = ({ state }: Driver, sequence: number): number =>
  state.readableCheckpoints.find((each) => each >= sequence) ?? 0;

const rows = (fs: Driver, table: string): number => {
  const { db } = fs.state as unknown as { db: { prepare(sql: string): { pluck(): { get(): number } } } };
  return db.prepare(`SELECT count(*) FROM ${table}`).pluck().get();
};

describe('checkpoints', () => {
  it('stay what they are while execution goes on, through commits, rollbacks, kills and restarts', () => {
    const event = fc.constantFrom(
      'none',
      'none',
      'commit',
      'checkpoint',
      'checkpoint',
      'release',
      'read',
      'kill',
      'reopen',
    );
    const step = fc.tuple(fc.array(change, { maxLength: 6 }), event);
    fc.assert(
      fc.property(fc.array(step, { minLength: 4, maxLength: 14 }), (history) => {
        const fs = Driver.fresh();
        const certified = new Map<number, Certified>();
        const executeUpTo = (batches: number): void => {
          for (let next = fs.state.lastExecuted; next < batches; next++) {
            execute(fs, next === 0 ? initially : history[next - 1][0]);
            if (next === 0 || history[next - 1][1] === 'checkpoint') note();
          }
        };
        const note = (): void => {
          const checkpoint = certify(fs);
          const earlier = certified.get(checkpoint.sequence);
          if (earlier !== undefined) expect(hex(checkpoint.root)).toBe(hex(earlier.root));
          certified.set(checkpoint.sequence, checkpoint);
          expect(hex(fs.state.recomputeDigest())).toBe(hex(checkpoint.root));
        };
        executeUpTo(1);
        history.forEach(([, event], i) => {
          executeUpTo(i + 2);
          if (event === 'commit') fs.state.commit();
          if (event === 'release') fs.state.releaseCheckpoints(fs.state.readableCheckpoints.at(-1)!);
          if (event === 'read') fs.state.serve(encodeQuery({ checkpoint: readableFrom(fs, 1), names: [] }), 1);
          if (event === 'kill') fs.restart();
          if (event === 'reopen') {
            fs.state.close();
            fs.state = openFileState(fs.options);
          }
          executeUpTo(i + 2);
        });
        const readable = fs.state.readableCheckpoints.filter((sequence) => sequence > 0);
        for (const sequence of readable) expectReadable(fs, certified.get(sequence)!);
        fs.state.close();
      }),
      { seed: 6, numRuns: 40 },
    );
  });

  it('are five at most, and released from the oldest on; the latest stays', () => {
    const fs = Driver.fresh();
    const certified = [1, 2, 3, 4, 5, 6].map((i) => {
      execute(fs, [create(`file ${i}`)]);
      return certify(fs);
    });
    expect(fs.state.readableCheckpoints).toEqual([2, 3, 4, 5, 6]);
    fs.state.releaseCheckpoints(5);
    expect(fs.state.readableCheckpoints).toEqual([5, 6]);
    fs.state.commit();
    fs.restart();
    expect(fs.state.readableCheckpoints).toEqual([5, 6]);
    execute(fs, [create('more')]);
    for (const checkpoint of certified.slice(4)) expectReadable(fs, checkpoint);
    fs.state.releaseCheckpoints(1000);
    expect(fs.state.readableCheckpoints).toEqual([6]);
    expectReadable(fs, certified[5]);
    const [query] = begin(Driver.fresh(), certified[4]).queries(1);
    expect(fs.state.serve(query, 1)).toBeUndefined();
  });

  it('stay while others read them, for a time, without those between', () => {
    const fs = Driver.fresh();
    const change = (i: number): Certified => {
      const name = Buffer.from(`file ${i - 3}`);
      execute(fs, [create(`file ${i}`), write({ ino: 2 + (i % 7), generation: 1 }, 0, Buffer.alloc(100, i))]);
      if (i > 3) fs.run('unlink', { parent: { ino: 1, generation: 1 }, name, retain: 0 });
      return certify(fs);
    };
    const [first, second, third] = [0, 1, 2].map(change);
    const query = encodeQuery({ checkpoint: second.sequence, names: [] });
    expect(fs.state.serve(query, 2)).toBeDefined();
    for (let i = 3; i < 40; i++) {
      const { sequence } = change(i);
      fs.state.releaseCheckpoints(sequence);
      expect(fs.state.serve(query, 2)).toBeDefined();
      expect(fs.state.readableCheckpoints).toEqual([second.sequence, sequence]);
    }
    expect(fs.state.readableCheckpoints).not.toContain(first.sequence);
    expect(fs.state.readableCheckpoints).not.toContain(third.sequence);
    expectReadable(fs, second);
    for (let i = 40; i < 110; i++) fs.state.releaseCheckpoints(change(i).sequence);
    expect(fs.state.serve(query, 2)).toBeUndefined();
    fs.state.releaseCheckpoints(Number.MAX_SAFE_INTEGER);
    fs.state.commit();
    expect(['tree_node_superseded', 'row_image', 'checkpoint'].map((table) => rows(fs, table))).toEqual([0, 0, 1]);
    expect(hex(fs.state.recomputeDigest())).toBe(hex(fs.state.checkpoint()));
  });

  it('leave nothing behind once they are released', () => {
    const fs = Driver.fresh();
    const names = Array.from({ length: 300 }, (_, i) => `file ${i}`);
    execute(fs, names.map(create));
    fs.state.checkpoint();
    fs.state.commit();
    const nodes = rows(fs, 'tree_node');
    for (const name of names)
      fs.run('unlink', { parent: { ino: 1, generation: 1 }, name: Buffer.from(name), retain: 0 });
    fs.state.checkpoint();
    execute(fs, [create('another')]);
    fs.state.checkpoint();
    fs.state.commit();
    expect(rows(fs, 'tree_node')).toBeGreaterThan(nodes);
    fs.state.releaseCheckpoints(Number.MAX_SAFE_INTEGER);
    // The root, and the nodes of the two inodes and of the clients that there are.
    expect(rows(fs, 'tree_node')).toBe(3);
    expect(['tree_node_superseded', 'row_image', 'checkpoint'].map((table) => rows(fs, table))).toEqual([0, 0, 1]);
  });

  it('have the root that the format gives them', () => {
    const fs = Driver.fresh();
    execute(fs, initially);
    expect(hex(fs.state.checkpoint())).toBe('8fdd42df48985b5e4a2ca89dcd475b92a1b1bf87d1464cf9f20d08c2077f01cd');
  });
});
