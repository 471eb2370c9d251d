import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Action, type PostmarkParameters, planPostmark } from '../../../bench/postmark/plan.js';
import { DEFAULTS, postmarkTurn } from '../../../bench/postmark/postmark.js';

const parameters: PostmarkParameters = {
  ...{ files: 100, transactions: 2000, size: { low: 500, high: 10_000 }, readBias: 5, createBias: 5 },
  ...{ subdirectories: 0, seed: 42 },
};

const countOf = (actions: readonly Action[], kind: Action['kind']): number =>
  actions.filter((action) => action.kind === kind).length;

describe('the transaction mix', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(planPostmark(parameters)).toEqual(planPostmark(parameters));
    expect(planPostmark(parameters)).not.toEqual(planPostmark({ ...parameters, seed: 43 }));
  });

  it('only does what can be done, within the sizes, and knows what is left', () => {
    const given = fc.record({
      files: fc.integer({ min: 0, max: 30 }),
      transactions: fc.integer({ min: 0, max: 200 }),
      size: fc
        .tuple(fc.integer({ min: 1, max: 500 }), fc.integer({ min: 0, max: 500 }))
        .map(([low, more]) => ({ low, high: low + more })),
      readBias: fc.integer({ min: -1, max: 10 }),
      createBias: fc.integer({ min: -1, max: 10 }),
      subdirectories: fc.constant(0),
      seed: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    });
    fc.assert(
      fc.property(given, (each) => {
        const { initial, transactions, final } = planPostmark(each);
        expect(initial).toHaveLength(each.files);
        expect(transactions).toHaveLength(each.transactions);
        const sizes = new Map<number, number>();
        for (const action of [...initial, ...transactions.flat()]) {
          switch (action.kind) {
            case 'create':
              expect(sizes.has(action.file)).toBe(false);
              expect(action.size).toBeGreaterThanOrEqual(each.size.low);
              sizes.set(action.file, action.size);
              break;
            case 'read':
              expect(action.size).toBe(sizes.get(action.file));
              break;
            case 'append':
              expect(action.from).toBe(sizes.get(action.file));
              expect(action.to).toBeGreaterThan(action.from);
              sizes.set(action.file, action.to);
              break;
            default:
              expect(sizes.delete(action.file)).toBe(true);
          }
        }
        for (const size of sizes.values()) expect(size).toBeLessThanOrEqual(each.size.high);
        expect(new Map(final.map(({ file, size }) => [file, size]))).toEqual(sizes);
      }),
    );
  });

  it('follows the biases', () => {
    const kinds = (more: Partial<PostmarkParameters>) => planPostmark({ ...parameters, ...more }).transactions.flat();
    const half = kinds({});
    for (const kind of ['read', 'create', 'delete'] as const) {
      expect(countOf(half, kind)).toBeGreaterThan(850);
      expect(countOf(half, kind)).toBeLessThan(1150);
    }
    const rather = kinds({ readBias: 9, createBias: 8 });
    expect(countOf(rather, 'read')).toBeGreaterThan(1700);
    expect(countOf(rather, 'create')).toBeGreaterThan(1500);
    expect(countOf(kinds({ readBias: 0 }), 'read')).toBe(0);
    expect(countOf(kinds({ createBias: 10 }), 'delete')).toBe(0);
    const neither = kinds({ readBias: -1 });
    expect(countOf(neither, 'read') + countOf(neither, 'append')).toBe(0);
    expect(kinds({ readBias: -1, createBias: -1 })).toEqual([]);
  });

  it('deletes nothing from an empty pool', () => {
    const { transactions } = planPostmark({ ...parameters, files: 0, createBias: 0, transactions: 10 });
    expect(transactions.flat()[0].kind).toBe('create');
  });
});

describe('a run', () => {
  let work: string;
  beforeEach(() => {
    work = mkdtempSync(join(tmpdir(), 'byzfs-test-'));
  });
  afterEach(() => rmSync(work, { recursive: true, force: true }));

  const run = { ...DEFAULTS, files: 60, transactions: 150 };

  it.each([
    ['buffered', {}],
    ['in small calls', { buffered: false, readBytes: 100, writeBytes: 333 }],
    ['in subdirectories', { subdirectories: 7 }],
  ])('%s does the plan and leaves no file', async (_, more) => {
    const given = { ...run, ...more };
    let steps = 0;
    const times = await postmarkTurn(given, { work, step: async () => void steps++ });
    const { final } = planPostmark(given);
    expect(times.map(({ name, operations }) => [name, operations])).toEqual([
      ['create', 60],
      ['transactions', 150],
      ['delete', final.length],
    ]);
    expect(times[0].bytes).toBeGreaterThan(60 * 500);
    for (const { seconds, latencies, operations } of times) {
      expect(seconds).toBeGreaterThan(0);
      expect(latencies).toHaveLength(operations);
    }
    expect(steps).toBeGreaterThanOrEqual(4);
    const left = readdirSync(work);
    expect(left).toHaveLength(given.subdirectories);
    for (const directory of left) expect(readdirSync(join(work, directory))).toEqual([]);
  });

  it('fails on a byte that is not what was written', async () => {
    const plan = planPostmark(run);
    const { file, size } = plan.final[0];
    const only = plan.initial.some((each) => each.file === file)
      ? file
      : plan.final.find((each) => each.file < 60)!.file;
    const spoilt = plan.final.find((each) => each.file === only) ?? { file, size };
    const spoil = async () => {
      // After all of the pool is made; what was appended to it meanwhile is no matter: its first byte is looked at.
      if (readdirSync(work).length === 60)
        writeFileSync(join(work, String(spoilt.file)), Buffer.alloc(1), { flag: 'r+' });
    };
    await expect(postmarkTurn(run, { work, step: spoil })).rejects.toThrow(
      new RegExp(`/${spoilt.file}: read back other than written, from byte 0 on`),
    );
  });
});
