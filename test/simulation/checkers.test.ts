import { describe, expect, it } from 'vitest';
import { Agreement } from './checkers/agreement.js';
import { Executions } from './checkers/executions.js';
import { type Invocation, Invocations } from './checkers/invocations.js';
import { checkList } from './checkers/list.js';
import { checkRegisters } from './checkers/registers.js';

/** Operation, when invoked, when answered (nothing: never), and with what. */
type Call = [operation: string, invokedAt: number, returnedAt?: number, result?: string];

function history(...calls: Call[]): Invocation[] {
  const invocations = new Invocations();
  for (const [operation, invokedAt, returnedAt, result] of calls) {
    const invocation = invocations.invoked(0, operation, invokedAt);
    if (result !== undefined) invocations.returned(invocation, result, returnedAt!);
  }
  return invocations.all;
}

describe('the checker of registers', () => {
  it('takes any order of what overlaps', () => {
    checkRegisters(history(['put k a', 0, 10, 'b'], ['put k b', 0, 10, '-'], ['get k', 5, 20, 'a']));
    checkRegisters(history(['put k a', 0, 10, '-'], ['cas k a b', 0, 10, 'a'], ['get k', 11, 12, 'b']));
  });

  it('takes a call without an answer for executed or not, at any time', () => {
    checkRegisters(history(['put k a', 0], ['get k', 1, 2, '-'], ['get k', 50, 60, 'a']));
    checkRegisters(history(['put k a', 0], ['get k', 50, 60, '-']));
    checkRegisters(history(['delete k', 0], ['put k a', 1, 2, '-'], ['get k', 3, 4, 'a'], ['get k', 5, 6, '-']));
  });

  const wrong: [string, Call[]][] = [
    [
      'a stale read',
      [
        ['put k a', 0, 10, '-'],
        ['get k', 11, 12, '-'],
      ],
    ],
    [
      'reads that go back',
      [
        ['put k a', 0, 100, '-'],
        ['get k', 1, 10, 'a'],
        ['get k', 11, 12, '-'],
      ],
    ],
    [
      'a lost update',
      [
        ['put k a', 0, 10, '-'],
        ['put k b', 11, 20, '-'],
      ],
    ],
    [
      'a value before it was written',
      [
        ['get k', 0, 1, 'a'],
        ['put k a', 2, 3, '-'],
      ],
    ],
    [
      'an update executed twice',
      [
        ['put k a', 0, 1, '-'],
        ['put k b', 2, 3, 'a'],
        ['get k', 4, 5, 'b'],
        ['get k', 6, 7, 'a'],
      ],
    ],
    [
      'a value nobody wrote',
      [
        ['put k a', 0, 1, '-'],
        ['get k', 2, 3, 'z'],
      ],
    ],
  ];
  for (const [what, calls] of wrong) {
    it(`finds ${what}`, () => {
      expect(() => checkRegisters(history(...calls))).toThrow('no order explains');
    });
  }

  it('is quick about many calls at once, many without an answer', () => {
    const calls: Call[] = [];
    for (let i = 0; i < 60; i++) calls.push([`put k x${i}`, 0]);
    for (let i = 0; i < 40; i++) calls.push([`put k a${i}`, i, i + 15, i === 0 ? '-' : `a${i - 1}`]);
    checkRegisters(history(...calls));
    expect(() => checkRegisters(history(...calls, ['get k', 100, 101, 'a3']))).toThrow('no order explains');
  });
});

describe('the checker of the list', () => {
  const agreed = ['a', 'b'];
  const appends: Call[] = [
    ['append a', 0, 5, '1'],
    ['append b', 6, 10, '2'],
  ];

  it('takes what is right', () => {
    checkList(history(...appends, ['last', 0, 20, '1:a'], ['length', 11, 12, '2']), agreed);
  });

  const wrong: [string, Call[], string[], RegExp][] = [
    ['a stale read', [...appends, ['length', 11, 12, '1']], agreed, /after 2 had been returned/],
    [
      'a wrong position',
      [
        ['append a', 0, 5, '2'],
        ['append b', 6, 10, '2'],
      ],
      agreed,
      /stands 1/,
    ],
    ['an append that is lost', appends, ['a'], /stands nowhere/],
    ['an append executed twice', appends, ['a', 'b', 'a'], /twice/],
    ['an append nobody asked for', appends, ['a', 'b', 'z'], /no client/],
    ['a read of what is not there', [...appends, ['last', 0, 20, '1:b']], agreed, /where a stands/],
    [
      'a read before the append',
      [
        ['length', 0, 1, '1'],
        ['append a', 2, 3, '1'],
      ],
      ['a'],
      /before append a/,
    ],
  ];
  for (const [what, calls, list, why] of wrong) {
    it(`finds ${what}`, () => {
      expect(() => checkList(history(...calls), list)).toThrow(why);
    });
  }
});

describe('the checker of agreement', () => {
  it('finds two batches at one number, two digests, and two states', () => {
    const agreement = new Agreement();
    agreement.committed('r0', 1, 'x', ['x']);
    agreement.committed('r1', 1, 'x', ['x']);
    expect(() => agreement.committed('r2', 1, 'y', ['y'])).toThrow(/at 1: r0 committed/);
    agreement.recorded('r0', 2, Buffer.alloc(32));
    expect(() => agreement.recorded('r1', 2, Buffer.alloc(32, 1))).toThrow(/recorded different/);
    agreement.checkpoint('r0', 128, Buffer.alloc(32));
    expect(() => agreement.checkpoint('r1', 128, Buffer.alloc(32, 1))).toThrow(/different states/);
    expect(agreement.list).toEqual(['x']);
  });
});

describe('the checker of what was executed', () => {
  function executions(): Executions {
    const invocations = new Invocations();
    for (const operation of ['append a', 'append b', 'get k']) invocations.invoked(1, operation, 0);
    return new Executions(invocations);
  }

  it('takes what clients asked for, slot by slot in order, and what took no slot', () => {
    const checker = executions();
    checker.executed('1/7 append a=1;@0.1;1/7 append b=2;@3.1; 1000.1');
    checker.executed('1/7 get k=-;@0.2;1/7 get k=-; 1000.2');
    checker.executed('1/8 append b=3;@0.1; 1000.3');
    checker.executed(' 1000.3');
  });

  const wrong: [string, string[], RegExp][] = [
    ["an operation in another client's name", ['2/7 append a=1;@0.1; 1000.1'], /client 2, which never asked/],
    ['an invented operation', ['1/7 append z=1;@0.1; 1000.1'], /never asked/],
    [
      'a sequence number used twice',
      ['1/7 append a=1;@0.1; 1000.1', '1/7 append b=2;@0.1; 1000.2'],
      /number 1, after 1/,
    ],
    ['one that was left out', ['1/7 append a=1;@0.2; 1000.1'], /number 2, after 0/],
  ];
  for (const [what, batches, why] of wrong) {
    it(`finds ${what}`, () => {
      const checker = executions();
      const all = (): void => {
        for (const each of batches) checker.executed(each);
      };
      expect(all).toThrow(why);
    });
  }
});
