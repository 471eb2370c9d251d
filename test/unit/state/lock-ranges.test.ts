import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { conflicting, type HeldLock, placed } from '../../../replica/state/lock-ranges.js';
import { LOCK_TO_END, type LockRequest } from '../../../src/fileservice/locks.js';

const BYTES = 12;
const sessions = [
  { client: 1, instance: 5 },
  { client: 2, instance: 1 },
];

interface Asked {
  session: number;
  request: LockRequest;
}

const asked: fc.Arbitrary<Asked> = fc.record({
  session: fc.nat(1),
  request: fc.record({
    kind: fc.constantFrom('posix' as const, 'flock'),
    type: fc.constantFrom('read' as const, 'write', 'unlock'),
    start: fc.nat(BYTES - 1),
    end: fc.nat(BYTES - 1),
    owner: fc.constantFrom('process1', 'process2'),
    pid: fc.nat(3),
  }),
});

/** Who has what on each byte, as simple as can be. */
class ByteByByte {
  private readonly bytes = Array.from({ length: BYTES }, () => new Map<string, 'read' | 'write'>());

  set({ session, request }: Asked): boolean {
    const { kind, type, start, end, owner } = request;
    const me = `${kind}/${session}/${owner}`;
    const range = this.bytes.slice(start, end + 1);
    const inTheWay = range.some((byte) =>
      [...byte].some(
        ([who, held]) =>
          who !== me && who.startsWith(kind) && type !== 'unlock' && (held === 'write' || type === 'write'),
      ),
    );
    if (inTheWay) return false;
    for (const byte of range) {
      if (type === 'unlock') byte.delete(me);
      else byte.set(me, type);
    }
    return true;
  }

  held(): string[][] {
    return this.bytes.map((byte) => [...byte].map(([who, type]) => `${who} ${type}`).sort());
  }
}

const heldOf = (locks: readonly HeldLock[]): string[][] =>
  Array.from({ length: BYTES }, (_, at) =>
    locks
      .filter(({ start, end }) => start <= at && at <= end)
      .map(({ kind, session, owner, type }) => `${kind}/${session.client - 1}/${owner} ${type}`)
      .sort(),
  );

describe('locks of a file', () => {
  it('are those of a model that keeps them byte by byte, in as few ranges as will do', () => {
    fc.assert(
      fc.property(fc.array(asked, { maxLength: 30 }), (calls) => {
        const model = new ByteByByte();
        let locks: HeldLock[] = [];
        for (const { session, request } of calls) {
          const { start, end } = request;
          const wanted = { ...request, start: Math.min(start, end), end: Math.max(start, end) };
          const isFree = conflicting(locks, sessions[session], wanted) === undefined;
          expect(isFree).toBe(model.set({ session, request: wanted }));
          if (isFree) locks = placed(locks, sessions[session], wanted);
          expect(heldOf(locks)).toEqual(model.held());
        }
        for (const a of locks) {
          const next = locks.find(
            (b) =>
              b.start === a.end + 1 &&
              b.kind === a.kind &&
              b.type === a.type &&
              b.owner === a.owner &&
              b.session.client === a.session.client,
          );
          expect(next).toBeUndefined();
        }
      }),
      { numRuns: 300 },
    );
  });

  it('reach to the end of the file, wherever that is', () => {
    const [session] = sessions;
    const lock = { kind: 'posix', owner: 'process1', pid: 1 } as const;
    const all = placed([], session, { ...lock, type: 'write', start: 0, end: LOCK_TO_END });
    expect(all).toHaveLength(1);
    const cut = placed(all, session, { ...lock, type: 'unlock', start: 10, end: 19 });
    expect(cut.map(({ start, end }) => [start, end])).toEqual([
      [0, 9],
      [20, LOCK_TO_END],
    ]);
    expect(placed(cut, session, { ...lock, type: 'unlock', start: 0, end: LOCK_TO_END })).toEqual([]);
  });
});
