import type { Database } from 'better-sqlite3';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BLOCK, create, initially, unlink, write } from './changes.js';
import { dump, inside, scrubbed } from './damage.js';
import { change } from './random-changes.js';
import { Driver } from './support.js';
import { type Certified, certify, execute, expectReadable, hex } from './transfers.js';

/** Rows that SQLite has inserted, updated or deleted since the file was opened. */
const written = (fs: Driver): number => {
  const { db }: { db: Database } = inside(fs.state);
  return db.prepare('SELECT total_changes()').pluck().get() as number;
};

const handle = (ino: number) => ({ ino, generation: 1 });

describe('what is settled and not written', () => {
  it('is in checkpoints, and what they had is, as if everything had been written at once', () => {
    const step = fc.record({
      changes: fc.array(change, { maxLength: 6 }),
      checkpoint: fc.boolean(),
      event: fc.constantFrom('none', 'none', 'none', 'commit', 'release', 'scrub'),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 6, maxLength: 20 }), (history) => {
        const [eager, lazy] = [Driver.fresh(), Driver.fresh()];
        const certified = new Map<number, Certified>();
        for (const fs of [eager, lazy]) execute(fs, initially);
        for (const { changes, checkpoint, event } of history) {
          for (const fs of [eager, lazy]) execute(fs, changes);
          eager.state.commit();
          if (checkpoint) {
            const [expected, found] = [eager, lazy].map(certify);
            expect(hex(found.root)).toBe(hex(expected.root));
            certified.set(found.sequence, found);
          }
          if (event === 'commit') lazy.state.commit();
          if (event === 'scrub') expect(scrubbed(lazy.state).damaged).toBe(0);
          if (event === 'release') {
            for (const { state } of [eager, lazy]) state.releaseCheckpoints(state.readableCheckpoints.at(-1)!);
          }
        }
        const check = (): void => {
          const { readableCheckpoints } = lazy.state;
          expect(readableCheckpoints).toEqual(eager.state.readableCheckpoints);
          for (const sequence of readableCheckpoints.slice(1)) expectReadable(lazy, certified.get(sequence)!);
          expect(scrubbed(lazy.state).damaged).toBe(0);
        };
        check();
        lazy.state.commit();
        lazy.restart();
        check();
        expect(dump(lazy.state)).toEqual(dump(eager.state));
        expect(hex(lazy.state.recomputeDigest())).toBe(hex(eager.state.checkpoint()));
        for (const { state } of [eager, lazy]) state.close();
      }),
      { seed: 11, numRuns: 30 },
    );
  });

  it('is bounded, and written while execution goes on, without being committed', () => {
    const fs = Driver.fresh();
    const other = Driver.fresh();
    let most = 0;
    for (let batch = 0; batch < 60; batch++) {
      const names = Array.from({ length: 50 }, (_, i) => `file ${batch * 50 + i}`);
      for (const each of [fs, other]) {
        execute(each, names.map(create));
        if (batch > 5)
          execute(each, [unlink(`file ${batch * 20}`), write(handle(batch), 0, Buffer.alloc(BLOCK, batch))]);
      }
      other.state.commit();
      if (batch % 8 === 7) expect(hex(certify(fs).root)).toBe(hex(certify(other).root));
      most = Math.max(most, fs.state.statistics.touchedRows);
    }
    expect(most).toBeLessThan(2000);
    expect(fs.state.isCommitDue).toBe(true);
    expect(other.state.isCommitDue).toBe(false);
    expect(scrubbed(fs.state).damaged).toBe(0);
    expect(hex(fs.state.checkpoint())).toBe(hex(other.state.checkpoint()));
    expect(hex(fs.state.recomputeDigest())).toBe(hex(other.state.recomputeDigest()));
    fs.restart();
    expect(fs.state.lastExecuted).toBe(0);
  });

  it('is never written if it comes and goes between two commits', () => {
    const fs = Driver.fresh();
    execute(fs, [create('first')]);
    fs.state.commit();
    const before = written(fs);
    for (let i = 0; i < 200; i++) {
      execute(fs, [create('temporary'), write(handle(3 + i), 0, Buffer.alloc(5000, i))]);
      if (i % 10 === 5) fs.state.checkpoint();
      execute(fs, [unlink('temporary')]);
    }
    fs.state.checkpoint();
    fs.state.releaseCheckpoints(fs.state.lastExecuted);
    fs.state.commit();
    expect(written(fs) - before).toBeLessThan(200);
    expect(scrubbed(fs.state).damaged).toBe(0);
    expect(hex(fs.state.recomputeDigest())).toBe(hex(fs.state.checkpoint()));
  });
});
