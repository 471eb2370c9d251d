import { describe, expect, it } from 'vitest';
import { create, observe, write } from './changes.js';
import { Driver } from './support.js';
import { begin, type Certified, certify, execute, filled, hex, install } from './transfers.js';

describe('a source that lies', () => {
  const source = filled(120);
  const certified: Certified = certify(source);
  const honest = (query: Uint8Array): Buffer => Buffer.from(source.state.serve(query, 1)!);

  /** Has each lie refused without effect, then goes on with the truth. */
  function refuse(lies: (query: Uint8Array, truth: Buffer) => Iterable<Uint8Array>): void {
    const target = filled(3);
    const seen = observe(target.state);
    const transfer = begin(target, certified);
    let refused = 0;
    while (!transfer.done) {
      const [asked] = transfer.queries(1);
      for (const lie of lies(asked, honest(asked))) {
        const { bytes, rows, nodes } = transfer.progress;
        expect(transfer.accept(asked, lie)).toBe('invalid');
        expect(transfer.progress).toMatchObject({ bytes, rows, nodes });
        refused++;
        break;
      }
      const [again] = transfer.queries(1);
      expect(transfer.accept(again, honest(again))).toBe('ok');
    }
    expect(refused).toBeGreaterThan(3);
    expect(observe(target.state)).toEqual(seen);
    install(transfer);
    expect(hex(target.state.recomputeDigest())).toBe(hex(certified.root));
  }

  const lies: [what: string, lie: (truth: Buffer, query: Uint8Array) => Uint8Array][] = [
    ['nothing', () => Buffer.alloc(0)],
    ['one byte', () => Buffer.alloc(1)],
    ['zeros', (truth) => Buffer.alloc(truth.length)],
    ['its query', (_truth, query) => query],
    ['less than a piece', (truth) => truth.subarray(0, truth.length - 1)],
    ['a byte more', (truth) => Buffer.concat([truth, Buffer.alloc(1)])],
    ['a piece more', (truth) => Buffer.concat([truth, Buffer.of(0, 0, 0, 1, 5)])],
    ['everything twice', (truth) => Buffer.concat([truth, truth])],
    ['an endless stream', (truth) => Buffer.concat([truth, Buffer.alloc(300 * 1024)])],
    ['a huge length', (truth) => Buffer.concat([Buffer.alloc(4, 0xff), truth.subarray(4)])],
  ];
  for (const [what, lie] of lies) {
    it(`with ${what} changes nothing`, () => refuse((query, truth) => [lie(truth, query)]));
  }

  it('with the answer to another query changes nothing', () => {
    let other: Buffer = Buffer.alloc(0);
    refuse((_query, truth) => {
      const lie = other;
      other = truth;
      return lie.equals(truth) ? [] : [lie];
    });
  });

  it('with any byte changed changes nothing', () => {
    const small = Driver.fresh();
    execute(small, [create('a'), write({ ino: 2, generation: 1 }, 0, Buffer.alloc(300, 1))]);
    const target = Driver.fresh();
    const transfer = begin(target, certify(small));
    while (!transfer.done) {
      let byte = 0;
      for (;;) {
        const [query] = transfer.queries(1);
        const answer = Buffer.from(small.state.serve(query, 1)!);
        if (byte === answer.length) {
          expect(transfer.accept(query, answer)).toBe('ok');
          break;
        }
        answer[byte] ^= 1 << (byte & 7);
        byte++;
        expect(transfer.accept(query, answer)).toBe('invalid');
      }
    }
    install(transfer);
    expect(hex(target.state.recomputeDigest())).toBe(hex(small.state.checkpoint()));
  });

  it('with silence is asked no more: the pieces are asked for again', () => {
    const transfer = begin(filled(3), certified);
    const first = transfer.queries(9);
    expect(transfer.queries(9)).toEqual([]);
    for (const query of first) transfer.giveUp(query);
    expect(transfer.queries(9).length).toBe(first.length);
  });

  it('gets nothing for what is no query', () => {
    const [query] = begin(Driver.fresh(), certified).queries(1);
    const wrong = [Buffer.alloc(0), query.subarray(0, 7), Buffer.concat([query, Buffer.of(33)]), Buffer.alloc(8, 0xff)];
    wrong.push(Buffer.concat([query, ...Array.from({ length: 256 }, () => Buffer.of(0))]), Buffer.of(9, ...query));
    for (const bytes of wrong) expect(source.state.serve(bytes, 1)).toBeUndefined();
    // In the answer to a query for what the checkpoint does not have there is nothing.
    const named = (...name: number[]): Buffer => Buffer.concat([query.subarray(0, 8), Buffer.of(name.length, ...name)]);
    for (let table = 0; table < 12; table++) {
      const rest = source.state.serve(named(table, ...Array(31).fill(0xff)), 1)!;
      // The only row of its table stands under any of its keys.
      if (table > 0) expect(rest).toEqual(Buffer.alloc(0));
    }
    expect(source.state.serve(named(1, 2, 3), 1)).toEqual(Buffer.alloc(0));
  });
});
