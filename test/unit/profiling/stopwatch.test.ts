import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { noTime, PARTS, type Part, Stopwatch } from '../../../src/profiling/stopwatch.js';

let now: number;
let cpu: number;
let stopwatch: Stopwatch;
beforeEach(() => {
  now = 0;
  cpu = 0;
  stopwatch = new Stopwatch(
    () => now,
    () => cpu,
  );
});

const pass = (ms: number): void => {
  now += ms;
};

describe('a stopwatch', () => {
  it('counts what is within a section for that alone, and not for what is around it', () => {
    stopwatch.enter('agreement', 'ordering');
    pass(2);
    stopwatch.enter('hashing');
    pass(30);
    stopwatch.enter('journal', 'x');
    pass(400);
    expect(stopwatch.leave()).toBe(400);
    pass(5);
    expect(stopwatch.leave()).toBe(35);
    pass(1);
    expect(stopwatch.leave()).toBe(3);
    // Between sections nothing is counted.
    pass(1000);
    stopwatch.enter('network');
    expect(stopwatch.leave()).toBe(0);
    expect(stopwatch.totals()).toEqual({
      ordering: { ...noTime(), agreement: 3, hashing: 35 },
      x: { ...noTime(), journal: 400 },
      '': noTime(),
    });
  });

  it('adds up to the time in any section at all', () => {
    const step = fc.tuple(fc.constantFrom<Part | 'leave'>(...PARTS, 'leave'), fc.nat(1000));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        stopwatch = new Stopwatch(() => now);
        let depth = 0;
        let within = 0;
        for (const [what, ms] of steps) {
          if (what !== 'leave') stopwatch.enter(what);
          else if (depth > 0) stopwatch.leave();
          depth = what === 'leave' ? Math.max(0, depth - 1) : depth + 1;
          pass(ms);
          if (depth > 0) within += ms;
        }
        for (; depth > 0; depth--) stopwatch.leave();
        const all = Object.values(stopwatch.totals()).flatMap((times) => Object.values(times));
        expect(all.reduce((sum, ms) => sum + ms, 0)).toBeCloseTo(within, 6);
      }),
    );
  });

  class Room {
    constructor(private readonly ms: number) {}
    work(factor: number): number {
      pass(this.ms * factor);
      return this.ms * factor;
    }
    outer(factor: number): number {
      pass(1);
      return this.work(factor);
    }
    fail(): never {
      pass(7);
      throw new Error('on purpose');
    }
  }

  it('measures methods of every object of a class, which do as before, also where they fail', () => {
    class Measured extends Room {}
    stopwatch.time(Measured.prototype, ['work'], 'execution', (factor: number) => `times ${factor}`);
    stopwatch.time(Measured.prototype, ['outer', 'fail'], 'agreement');
    expect(new Measured(3).outer(10)).toBe(30);
    expect(new Measured(5).work(2)).toBe(10);
    expect(() => new Measured(1).fail()).toThrow('on purpose');
    expect(stopwatch.current).toBeUndefined();
    expect(stopwatch.totals()).toEqual({
      'times 10': { ...noTime(), execution: 30 },
      'times 2': { ...noTime(), execution: 10 },
      '': { ...noTime(), agreement: 8 },
    });
    // Others are left as they were.
    new Room(100).work(1);
    expect(Object.keys(stopwatch.totals())).toHaveLength(3);
  });

  it('does not count what a section that wakes others lasts without computing', () => {
    stopwatch.enter('agreement');
    stopwatch.enter('network', undefined, true);
    pass(50);
    cpu += 2;
    expect(stopwatch.leave()).toBe(2);
    // Other threads computed too: no more than it lasted.
    stopwatch.enter('network', undefined, true);
    pass(3);
    cpu += 5;
    expect(stopwatch.leave()).toBe(3);
    pass(1);
    expect(stopwatch.leave()).toBe(1);
    expect(stopwatch.lostMs).toBe(48);
    expect(stopwatch.totals()).toEqual({ '': { ...noTime(), agreement: 1, network: 5 } });
  });

  it('leaves to a section what is to be its own', () => {
    class Measured extends Room {}
    stopwatch.time(Measured.prototype, ['work'], 'hashing', undefined, { within: ['network'] });
    const room = new Measured(4);
    stopwatch.enter('network', 'links');
    room.work(1);
    stopwatch.leave();
    room.work(2);
    expect(stopwatch.totals()).toEqual({ links: { ...noTime(), network: 4 }, '': { ...noTime(), hashing: 8 } });
  });
});
