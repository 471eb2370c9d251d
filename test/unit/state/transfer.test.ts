import { existsSync, writeFileSync } from 'node:fs';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isDamage } from '../../../replica/state/database.js';
import { openFileState } from '../../../replica/state/index.js';
import { Random } from '../../simulation/random.js';
import { create, initially, observe, reply, write } from './changes.js';
import { overwrite } from './damage.js';
import { change } from './random-changes.js';
import { Driver } from './support.js';
import { begin, certify, copyOfFiles, execute, filled, gather, hex, install } from './transfers.js';

const batches = (most: number) => fc.array(fc.array(change, { maxLength: 6 }), { maxLength: most });

describe('a transfer', () => {
  it('makes one state another, whatever they are, while the source goes on', () => {
    const states = fc.record({ common: batches(4), source: batches(6), target: batches(6), meanwhile: batches(8) });
    fc.assert(
      fc.property(states, ({ common, source, target, meanwhile }) => {
        const [from, to] = [Driver.fresh(), Driver.fresh()];
        for (const fs of [from, to]) for (const batch of [initially, ...common]) execute(fs, batch);
        for (const batch of source) execute(from, batch);
        for (const batch of target) execute(to, batch);
        execute(from, [reply(1, 1)]);
        const certified = certify(from);
        const seen = observe(from.state);
        const transfer = begin(to, certified);
        const later = meanwhile.values();
        gather(transfer, from.state, (answers) => {
          const batch = later.next().value;
          if (batch !== undefined) execute(from, batch);
          if (answers % 3 === 0) from.state.checkpoint();
          if (answers % 4 === 0) from.state.commit();
        });
        install(transfer);
        expect(to.state.lastExecuted).toBe(certified.sequence);
        expect(observe(to.state)).toEqual(seen);
        expect(hex(to.state.recomputeDigest())).toBe(hex(certified.root));
        expect(hex(to.state.checkpoint())).toBe(hex(certified.root));
        // It goes on from there as the source did, and after a kill.
        to.restart();
        for (const batch of meanwhile) execute(to, batch);
        for (const batch of [...later]) execute(from, batch);
        expect(observe(to.state)).toEqual(observe(from.state));
        expect(hex(to.state.checkpoint())).toBe(hex(from.state.checkpoint()));
        expect(hex(to.state.recomputeDigest())).toBe(hex(to.state.checkpoint()));
        from.state.close();
        to.state.close();
      }),
      { seed: 5, numRuns: 40 },
    );
  });

  it('fetches in proportion to what differs', () => {
    const source = filled(1000);
    const target = filled(1000);
    for (const changed of [1, 10, 100]) {
      const data = Buffer.alloc(3000, `other ${changed}`);
      for (let i = 0; i < changed; i++) execute(source, [write({ ino: 2 + i * 7, generation: 1 }, 0, data)]);
      const transfer = begin(target, certify(source));
      gather(transfer, source.state);
      const { rows, nodes, bytes } = transfer.progress;
      // Each file's inode and block, and the header.
      expect(rows).toBe(2 * changed + 1);
      // Of each table: its top, and 1,000 files in four nodes.
      expect(nodes).toBeLessThanOrEqual(1 + 2 * 5);
      expect(bytes).toBeLessThan(changed * (3000 + 200) + 200 + nodes * 9500);
      install(transfer);
      expect(hex(target.state.recomputeDigest())).toBe(hex(source.state.checkpoint()));
    }
  });

  it('asks for nothing where nothing differs', () => {
    const [source, target] = [filled(10), filled(10)];
    const transfer = begin(target, certify(source));
    expect([transfer.done, transfer.queries(5)]).toEqual([true, []]);
    install(transfer);
    expect(hex(target.state.checkpoint())).toBe(hex(source.state.checkpoint()));
  });

  it('leaves the state as it was until it is installed, and after it is given up', () => {
    const [source, target] = [filled(100), filled(20)];
    const seen = observe(target.state);
    const root = hex(target.state.checkpoint());
    const transfer = begin(target, certify(source));
    gather(transfer, source.state, () => expect(observe(target.state)).toEqual(seen));
    expect(() => target.state.beginBatch(target.state.lastExecuted + 1)).toThrow('nothing is executed');
    transfer.cancel();
    expect(hex(target.state.recomputeDigest())).toBe(root);
    execute(target, [create('more')]);
    expect(() => begin(target, certify(source)).install()).toThrow('complete');
  });

  it('goes back where the state is ahead', () => {
    const [source, target] = [filled(20), filled(60)];
    for (let i = 0; i < 10; i++) execute(target, [create(`ahead ${i}`)]);
    target.state.checkpoint();
    const certified = certify(source);
    const transfer = begin(target, certified);
    gather(transfer, source.state);
    install(transfer);
    expect(target.state.lastExecuted).toBe(certified.sequence);
    const again = begin(filledElsewhere(), certified);
    gather(again, target.state);
  });
  const filledElsewhere = (): Driver => filled(3);
});

describe('a newer checkpoint', () => {
  it('is followed without starting over', () => {
    const [source, target] = [filled(1000), Driver.fresh()];
    const first = certify(source);
    const transfer = begin(target, first);
    for (let i = 0; i < 4; i++)
      for (const query of transfer.queries(1)) transfer.accept(query, source.state.serve(query, 1)!);
    const late = transfer.queries(2);
    const lateAnswers = late.map((query) => source.state.serve(query, 1)!);
    const before = transfer.progress;
    expect(before.rows).toBeGreaterThan(100);

    for (let i = 0; i < 5; i++) execute(source, [write({ ino: 2 + i * 100, generation: 1 }, 0, Buffer.alloc(50, 'x'))]);
    const second = certify(source);
    transfer.retarget(second.sequence, second.root);
    for (const [i, query] of late.entries()) expect(transfer.accept(query, lateAnswers[i])).toBe('ok');
    expect(transfer.progress.bytes).toBe(before.bytes);
    gather(transfer, source.state);
    install(transfer);
    expect(hex(target.state.checkpoint())).toBe(hex(second.root));
    expect(target.state.lastExecuted).toBe(second.sequence);

    const whole = begin(Driver.fresh(), second);
    gather(whole, source.state);
    const changed = 5 * 2100 + 15 * 9500;
    expect(transfer.progress.bytes).toBeLessThan(whole.progress.bytes + changed);
  });

  it('is not an older one', () => {
    const transfer = begin(Driver.fresh(), certify(filled(10)));
    expect(() => transfer.retarget(1, Buffer.alloc(32))).toThrow('newer');
  });
});

describe('a kill', () => {
  it('during a transfer costs what was not committed', () => {
    const source = filled(300);
    const certified = certify(source);
    const whole = begin(Driver.fresh(), certified);
    gather(whole, source.state);
    const target = filled(20);
    let transfer = begin(target, certified);
    let committed = 0;
    for (let round = 0; ; round++) {
      expect(round).toBeLessThan(200);
      let queries = transfer.queries(1);
      while (queries.length === 0 && !transfer.done) queries = transfer.queries(1);
      for (const query of queries) transfer.accept(query, source.state.serve(query, 1)!);
      if (transfer.done) break;
      if (round % 2 === 0) {
        committed += transfer.progress.bytes;
        target.state.commit();
      }
      target.restart();
      transfer = begin(target, certified);
    }
    expect(committed).toBeLessThanOrEqual(whole.progress.bytes);
    install(transfer);
    expect(hex(target.state.recomputeDigest())).toBe(hex(certified.root));
  });

  it('during the installation leaves one state or the other', () => {
    const source = filled(300);
    const certified = certify(source);
    const target = filled(150, Driver.fresh(), 200);
    const before = { root: hex(target.state.checkpoint()), lastExecuted: target.state.lastExecuted };
    const transfer = begin(target, certified);
    gather(transfer, source.state);
    target.state.commit();
    const copies: Driver['options'][] = [];
    onEachInstalledRow(target, (rows) => {
      if (rows % 60 === 0) copies.push(copyOfFiles(target));
    });
    while (!transfer.install()) {
      // What the shell does meanwhile is no harm.
      target.state.commit();
      expect(() => target.state.checkpoint()).toThrow('half a state');
      expect(() => transfer.cancel()).toThrow('goes on');
      expect(target.state.serve(transfer.queries(1)[0] ?? Buffer.alloc(8), 1)).toBeUndefined();
    }
    copies.push(copyOfFiles(target));
    expect(copies.length).toBeGreaterThan(10);
    copies.forEach((options, i) => {
      const state = openFileState(options);
      const isInstalled = i === copies.length - 1;
      expect(state.lastExecuted).toBe(isInstalled ? certified.sequence : before.lastExecuted);
      expect(hex(state.recomputeDigest())).toBe(isInstalled ? hex(certified.root) : before.root);
      // What was gathered is still there: nothing has to be asked for again.
      const again = state.beginTransfer(certified.sequence, certified.root);
      for (let calls = 0; !again.done; calls++) expect([again.queries(1), calls < 9]).toEqual([[], true]);
      install(again);
      expect(hex(state.recomputeDigest())).toBe(hex(certified.root));
      state.close();
    });
  });

  it('or an end in the middle of the installation leaves it for the next time', () => {
    const source = filled(200);
    const certified = certify(source);
    const target = filled(30);
    const root = hex(target.state.checkpoint());
    const transfer = begin(target, certified);
    gather(transfer, source.state);
    expect(transfer.install()).toBe(false);
    target.state.close();
    target.state = openFileState(target.options);
    expect(hex(target.state.recomputeDigest())).toBe(root);
    const again = begin(target, certified);
    gather(again, source.state);
    expect(again.progress.bytes).toBe(0);
    install(again);
    expect(hex(target.state.recomputeDigest())).toBe(hex(certified.root));
  });

  it('that loses what was gathered leads to gathering it again', () => {
    const source = filled(60);
    const certified = certify(source);
    const target = filled(3);
    const root = hex(target.state.checkpoint());
    const staged = `${target.options.path}-staging`;
    gather(begin(target, certified), source.state);
    target.state.close();
    const db = new Database(staged);
    db.exec('UPDATE row SET content = zeroblob(length(content)) WHERE rowid = 50');
    db.close();
    target.state = openFileState(target.options);
    const rotten = begin(target, certified);
    gather(rotten, source.state);
    expect(rotten.progress.bytes).toBe(0);
    expect(() => install(rotten)).toThrow('what was staged');
    expect(existsSync(staged)).toBe(false);

    target.options = copyOfFiles(target);
    target.state = openFileState(target.options);
    expect(hex(target.state.recomputeDigest())).toBe(root);
    writeFileSync(`${target.options.path}-staging`, 'x'.repeat(20_000));
    const transfer = begin(target, certified);
    gather(transfer, source.state);
    install(transfer);
    expect(hex(target.state.recomputeDigest())).toBe(hex(certified.root));
  });

  it('of a disk that altered what was gathered leads to gathering it again, and harms nothing else', () => {
    const source = filled(300);
    const certified = certify(source);
    const target = filled(3);
    const root = hex(target.state.checkpoint());
    gather(begin(target, certified), source.state);
    target.state.close();
    let found = 0;
    for (let seed = 1; seed <= 40; seed++) {
      const options = copyOfFiles(target);
      const staged = `${options.path}-staging`;
      overwrite(staged, new Random(seed));
      let copy = new Driver(options, openFileState(options));
      const take = (): void => {
        const transfer = begin(copy, certified);
        gather(transfer, source.state);
        install(transfer);
      };
      try {
        take();
      } catch (error) {
        found++;
        expect([isDamage(error), existsSync(staged)]).toEqual([false, false]);
        copy.state.distrust();
        copy.state.close();
        copy = new Driver(options, openFileState(options));
        expect(hex(copy.state.recomputeDigest())).toBe(root);
        take();
      }
      expect(hex(copy.state.recomputeDigest())).toBe(hex(certified.root));
      copy.state.close();
    }
    expect(found).toBeGreaterThan(10);
  });

  /** Also lets SQLite write to its log before the transaction ends. */
  function onEachInstalledRow(fs: Driver, action: (rows: number) => void): void {
    const { db, store } = fs.state as unknown as {
      db: { pragma(text: string): void };
      store: { checkpoints: { changed(key: string, leaf?: string): void } };
    };
    db.pragma('cache_size = 10');
    const { checkpoints } = store;
    const changed = checkpoints.changed.bind(checkpoints);
    let rows = 0;
    checkpoints.changed = (key, leaf) => {
      changed(key, leaf);
      action(++rows);
    };
  }
});
