import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { errnoName } from '../../../src/fileservice/errno.js';
import { encodeOperation } from '../../../src/fileservice/operations.js';
import { decodeResult } from '../../../src/fileservice/results.js';
import { ROOT_INO } from '../../../src/fileservice/types.js';
import { ModelFs, type Node } from './model.js';
import { operation, type Step, step } from './random-operations.js';
import { Driver, ROOT, SESSION } from './support.js';

const perform = (fs: Driver, s: Step): Uint8Array => fs.execute(encodeOperation(ROOT, operation(s)));

function performOnModel(model: ModelFs, s: Step): string {
  const at = (index: number): Node | undefined => model.made[index];
  const [first, second] =
    s.op === 'rename'
      ? [at(s.parent), at(s.newParent)]
      : s.op === 'link'
        ? [at(s.node), at(s.parent)]
        : s.op === 'write' || s.op === 'truncate'
          ? [at(s.node), model.root]
          : [at(s.parent), model.root];
  if (first === undefined || second === undefined) return firstStale(model, s, first);
  switch (s.op) {
    case 'link':
      return model.link(first, second, s.name);
    case 'rename':
      return model.rename(first, s.name, second, s.newName, s.exchange);
    case 'write':
      return model.write(first, s.offset, Buffer.alloc(s.length, s.fill), s.append);
    case 'truncate':
      return model.truncate(first, s.size);
    default:
      return model[s.op](first, s.name);
  }
}

/** One of the nodes was never made; the first operand's fault is told first. */
function firstStale(model: ModelFs, s: Step, first: Node | undefined): string {
  const isWrongDirectory =
    s.op === 'rename' && first !== undefined && !model.isGone(first) && first.kind !== 'directory';
  return isWrongDirectory ? 'ENOTDIR' : 'ESTALE';
}

/** The tree as the state shows it must be the model's, and its counters must add up. */
function compare(fs: Driver, model: ModelFs): void {
  let inodes = 0;
  let allocated = 0;
  model.made.forEach((node, index) => {
    const handle = { ino: ROOT_INO + index, generation: 1 };
    if (model.isGone(node)) {
      expect(fs.outcome('getattr', { node: handle })).toBe('ESTALE');
      return;
    }
    const stat = fs.stat(handle);
    inodes++;
    allocated += stat.blocks * 512;
    if (node.kind === 'file') {
      expect([stat.size, stat.nlink]).toEqual([node.content.length, node.nlink]);
      expect(fs.read(handle).equals(node.content)).toBe(true);
      return;
    }
    const children = [...node.entries.values()];
    expect(stat.nlink).toBe(2 + children.filter((child) => child.kind === 'directory').length);
    const listed = fs.run('readdir', { directory: handle, cookie: 1, maxBytes: 1 << 17 }).entries;
    expect(listed[0].attributes.ino).toBe(ROOT_INO + model.made.indexOf(node.parent));
    const inos = new Map(listed.slice(1).map((entry) => [Buffer.from(entry.name).toString(), entry.attributes.ino]));
    const expected = [...node.entries].map(([name, child]) => [name, ROOT_INO + model.made.indexOf(child)] as const);
    expect(inos).toEqual(new Map(expected));
  });
  expect(fs.state.statistics).toMatchObject({ usedInodes: inodes, usedBytes: allocated });
}

describe('random operations', () => {
  it('do what they do in a simple model, and the incremental digest is that of the rows', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 10, maxLength: 60 }), fc.nat(9), (steps, settleEvery) => {
        const fs = Driver.fresh();
        const model = new ModelFs();
        steps.forEach((s, i) => {
          const { errno } = decodeResult(operation(s).op, perform(fs, s));
          expect(`${s.op} ${errno === 0 ? 'ok' : errnoName(errno)}`).toBe(`${s.op} ${performOnModel(model, s)}`);
          if (i % 10 === settleEvery) expect(fs.state.checkpoint()).toEqual(fs.state.recomputeDigest());
        });
        compare(fs, model);
        expect(fs.state.checkpoint()).toEqual(fs.state.recomputeDigest());
        fs.state.close();
      }),
      { seed: 1, numRuns: 60 },
    );
  });

  it('give the same results and digests wherever commits, checkpoints and kills fall', () => {
    const event = fc.constantFrom('none', 'none', 'none', 'commit', 'checkpoint', 'kill');
    fc.assert(
      fc.property(fc.array(fc.tuple(step, event), { minLength: 10, maxLength: 40 }), (history) => {
        const plain = Driver.fresh();
        const results = history.map(([s]) => perform(plain, s));
        const disturbed = Driver.fresh();
        const execute = (index: number): void => {
          expect(Buffer.from(perform(disturbed, history[index][0]))).toEqual(Buffer.from(results[index]));
        };
        history.forEach(([, event], i) => {
          execute(i);
          if (event === 'commit') disturbed.state.commit();
          if (event === 'checkpoint') disturbed.state.checkpoint();
          if (event !== 'kill') return;
          disturbed.restart();
          // The journal's part: what had not been committed is executed again.
          for (let again = disturbed.state.lastExecuted; again <= i; again++) execute(again);
        });
        expect(disturbed.state.lastExecuted).toBe(history.length);
        expect(disturbed.state.clock).toEqual(plain.state.clock);
        expect(disturbed.state.checkpoint()).toEqual(plain.state.checkpoint());
        plain.state.close();
        disturbed.state.close();
      }),
      { seed: 2, numRuns: 30 },
    );
  });

  it('of any bytes never throw', () => {
    const fs = Driver.fresh();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (operation) => {
        fs.execute(operation);
        fs.state.service.query(operation, SESSION);
      }),
      { seed: 3, numRuns: 2000 },
    );
    expect(fs.state.checkpoint()).toEqual(fs.state.recomputeDigest());
  });
});
