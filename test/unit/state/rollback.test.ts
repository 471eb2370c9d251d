import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openFileState } from '../../../replica/state/index.js';
import { FileType, ROOT_HANDLE } from '../../../src/fileservice/types.js';
import {
  administer,
  apply,
  BLOCK,
  type Change,
  call,
  create,
  endSession,
  FILE,
  HELD,
  initially,
  inRoot,
  observe,
  openSession,
  reply,
  setXattr,
  symlink,
  tentatively,
  time,
  unlink,
  unlinkOpen,
  write,
} from './changes.js';
import { registration } from './clients.js';
import { change } from './random-changes.js';
import { Driver, SESSION } from './support.js';

describe('a batch that is undone', () => {
  type Event = 'none' | 'commit' | 'kill';
  interface Step {
    /** Executed first, and undone. */
    undone: readonly { changes: Change[]; event: Event }[];
    batch: Change[];
    whileTentative: Event;
    afterwards: Event | 'checkpoint' | 'reopen';
  }
  const QUIET = { undone: [], whileTentative: 'none', afterwards: 'none' } as const;
  const event = fc.constantFrom<Event>('none', 'none', 'none', 'none', 'commit', 'kill');
  const changes = fc.array(change, { maxLength: 8 });
  const step: fc.Arbitrary<Step> = fc.record({
    undone: fc.array(fc.record({ changes, event }), { maxLength: 2 }),
    batch: changes,
    whileTentative: event,
    afterwards: fc.constantFrom('none', 'none', 'none', 'none', 'commit', 'kill', 'checkpoint', 'reopen'),
  });

  /** What each batch results in, and what is seen after it, where rows are in SQLite as soon as they change. */
  function reference(fs: Driver, history: readonly Step[]): { results: unknown[]; seen: unknown }[] {
    return history.map(({ batch }, index) => {
      const results = batch.map((change, call) => {
        const at = time(index + 1, call);
        fs.state.beginBatch(fs.state.lastExecuted + 1);
        const result = apply(fs.state, change, at);
        fs.state.endBatch(at);
        fs.state.commitBatch();
        fs.state.checkpoint();
        return result;
      });
      return { results, seen: observe(fs.state) };
    });
  }

  it('leaves nothing behind, whatever is in it and wherever commits, checkpoints and kills fall', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 5, maxLength: 16 }), (steps) => {
        const history = [{ ...QUIET, batch: initially }, ...steps];
        const plain = Driver.fresh();
        const expected = reference(plain, history);
        const fs = Driver.fresh();

        /** The journal's part after a restart: what had not been committed is executed again, up to `batches`. */
        const executeUpTo = (batches: number): void => {
          for (let next = fs.state.lastExecuted; next < batches; next++) {
            expect(tentatively(fs, history[next].batch)).toEqual(expected[next].results);
            fs.state.commitBatch();
          }
        };
        /** Whether a tentative batch is still there afterwards. */
        const survives = (event: Event, batches: number): boolean => {
          if (event === 'commit') fs.state.commit();
          if (event !== 'kill') return true;
          fs.restart();
          executeUpTo(batches);
          return false;
        };

        history.forEach(({ undone, batch, whileTentative, afterwards }, index) => {
          const before = observe(fs.state);
          undone.forEach(({ changes, event }, i) => {
            tentatively(fs, changes, 1000 * (i + 1));
            if (survives(event, index)) fs.state.rollbackBatch();
            expect(fs.state.lastExecuted).toBe(index);
            expect(observe(fs.state)).toEqual(before);
          });
          expect(tentatively(fs, batch)).toEqual(expected[index].results);
          expect(observe(fs.state)).toEqual(expected[index].seen);
          if (survives(whileTentative, index + 1)) fs.state.commitBatch();
          if (afterwards === 'checkpoint') expect(fs.state.checkpoint()).toEqual(fs.state.recomputeDigest());
          else if (afterwards === 'reopen') {
            fs.state.close();
            fs.state = openFileState(fs.options);
          } else survives(afterwards, index + 1);
          executeUpTo(index + 1);
          expect(observe(fs.state)).toEqual(expected[index].seen);
        });
        expect(fs.state.checkpoint()).toEqual(plain.state.checkpoint());
        expect(fs.state.recomputeDigest()).toEqual(plain.state.recomputeDigest());
        plain.state.close();
        fs.state.close();
      }),
      { seed: 4, numRuns: 30 },
    );
  });

  /** For each table a batch that changes, adds or removes rows of it, after `initially`. */
  const writeBlock = (position: number, fill: number): Change =>
    write(FILE, position * BLOCK, Buffer.alloc(BLOCK, fill));
  const batches: [what: string, changes: Change[]][] = [
    ['nothing', []],
    ['new inodes, entries and counters', [create('x'), create('y')]],
    ['removed inodes and entries', [unlink('b'), unlink('a')]],
    ['changed attributes', [call({ op: 'setattr', node: FILE, mode: 0o600 })]],
    ['overwritten, added and overwritten added blocks', [writeBlock(3, 99), writeBlock(30, 1), writeBlock(30, 2)]],
    ['many removed blocks', [writeBlock(30, 1), call({ op: 'setattr', node: FILE, size: 5 })]],
    ['few removed blocks', [call({ op: 'setattr', node: FILE, size: 18 * BLOCK })]],
    ['a symbolic link', [symlink('other')]],
    ['a removed symbolic link and another in its place', [unlink('b'), symlink('b')]],
    ['a listed directory', [create('x'), call({ op: 'readdir', directory: ROOT_HANDLE, cookie: 0, maxBytes: 4096 })]],
    ['a file held open without a name', [unlinkOpen('a')]],
    ['a released file', [call({ op: 'release', node: HELD })]],
    ['a new session', [openSession(8)]],
    ['replies', [reply(0, 2), reply(1, 1)]],
    ['an ended session', [endSession(SESSION)]],
    ['an ended session that came back', [endSession(SESSION), openSession(7), reply(1, 5)]],
    ['attributes', [setXattr(FILE, 'user.a', Buffer.alloc(3)), setXattr(FILE, 'user.b', Buffer.alloc(9))]],
    ['a removed attribute', [call({ op: 'removexattr', node: FILE, name: Buffer.from('user.a') })]],
    ['a registered client', [administer(0, registration('new'))]],
    ['a revoked client', [administer(0, { kind: 'revoke', name: 'c5' })]],
    ['a device', [call({ op: 'mknod', ...inRoot('null'), mode: FileType.CHARACTER | 0o600, rdev: 259 })]],
  ];

  for (const [what, changes] of batches) {
    it(`${what}: from memory and from SQLite`, () => {
      const untouched = Driver.fresh();
      tentatively(untouched, initially);
      untouched.state.commitBatch();
      const fs = Driver.fresh();
      tentatively(fs, initially);
      fs.state.commitBatch();
      for (const settled of [false, true]) {
        if (settled) expect(fs.state.checkpoint()).toEqual(untouched.state.checkpoint());
        const { statistics } = fs.state;
        const before = observe(fs.state);
        tentatively(fs, changes, 1000);
        if (changes.length > 0) expect(observe(fs.state)).not.toEqual(before);
        fs.state.rollbackBatch();
        expect(observe(fs.state)).toEqual(before);
        expect(fs.state.statistics).toEqual(statistics);
      }
      expect(fs.state.checkpoint()).toEqual(untouched.state.checkpoint());
      expect(fs.state.recomputeDigest()).toEqual(untouched.state.checkpoint());
      fs.state.close();
      fs.state = openFileState(fs.options);
      expect(fs.state.checkpoint()).toEqual(untouched.state.checkpoint());
    });
  }

  it('may be larger than what is kept in memory between batches', () => {
    const fs = Driver.fresh();
    fs.create('file');
    fs.state.commit();
    const before = fs.state.checkpoint();
    const large = Array.from({ length: 40 }, (_, i) => write(FILE, i << 20, Buffer.alloc(1 << 20, i + 1)));
    tentatively(fs, large);
    expect(fs.state.statistics.touchedRows).toBeGreaterThan(40 * 32);
    fs.state.rollbackBatch();
    expect(fs.state.statistics.touchedRows).toBe(0);
    expect(fs.state.checkpoint()).toEqual(before);
    tentatively(fs, large);
    fs.state.commitBatch();
    expect(fs.state.statistics.touchedRows).toBeLessThan(64);
    expect(fs.state.checkpoint()).toEqual(fs.state.recomputeDigest());
  });
});
