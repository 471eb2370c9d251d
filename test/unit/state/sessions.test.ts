import { describe, expect, it } from 'vitest';
import type { SlotRow } from '../../../src/pbft/ports.js';
import { Driver } from './support.js';

const id = { client: 2, instance: 2 ** 50 };
const opened = { seconds: 9, nanoseconds: 1 };
const digest = (byte: number) => Buffer.alloc(32, byte);
const row = (slot: number, sequence: number): SlotRow => ({
  slot,
  sequence,
  requestDigest: digest(sequence),
  status: 0,
  durableAt: sequence - 1,
  result: Buffer.from([slot, sequence]),
});

function inBatch(fs: Driver, change: () => void): void {
  fs.state.beginBatch(fs.state.lastExecuted + 1);
  change();
  fs.state.endBatch(fs.nextTime);
  fs.state.commitBatch();
}

describe('the session store', () => {
  it('has nothing at first', () => {
    const { sessions } = Driver.fresh().state;
    expect([sessions.session(id), sessions.slot(id, 0), sessions.sessions(2), sessions.endedInstance(2)]).toEqual([
      undefined,
      undefined,
      [],
      0,
    ]);
  });

  it('keeps rows over a restart', () => {
    const fs = Driver.fresh();
    const later = { client: 2, instance: 2 ** 50 + 1 };
    const { result: _, ...withoutResult } = row(1, 8);
    inBatch(fs, () => {
      const { sessions } = fs.state;
      sessions.putSession({ session: later, slots: 1, opened });
      sessions.putSession({ session: id, slots: 2, opened });
      sessions.putSlot(id, row(0, 7));
      sessions.putSlot(id, withoutResult);
      sessions.setEndedInstance(5, 77);
    });
    fs.state.commit();
    const before = fs.state.checkpoint();
    fs.restart();
    const { sessions } = fs.state;
    expect(sessions.sessions(2)).toEqual([
      { session: id, slots: 2, opened },
      { session: later, slots: 1, opened },
    ]);
    expect([sessions.slot(id, 0), sessions.slot(id, 1)]).toEqual([row(0, 7), withoutResult]);
    expect(sessions.slot(later, 0)).toBeUndefined();
    expect([sessions.endedInstance(5), sessions.endedInstance(2)]).toEqual([77, 0]);
    expect(fs.state.checkpoint()).toEqual(before);
  });

  it('deletes a session with its slots', () => {
    const fs = Driver.fresh();
    inBatch(fs, () => {
      fs.state.sessions.putSession({ session: id, slots: 3, opened });
      for (const slot of [0, 2]) fs.state.sessions.putSlot(id, row(slot, 1));
    });
    fs.state.commit();
    inBatch(fs, () => fs.state.sessions.deleteSession(id));
    expect([fs.state.sessions.session(id), fs.state.sessions.slot(id, 2)]).toEqual([undefined, undefined]);
    expect(fs.state.checkpoint()).toEqual(fs.state.recomputeDigest());
  });

  it('is part of the digest: each row, each field', () => {
    const digests = new Set<string>();
    const variants: ((fs: Driver) => void)[] = [
      () => {},
      (fs) => fs.state.sessions.putSession({ session: id, slots: 2, opened }),
      (fs) => fs.state.sessions.putSession({ session: id, slots: 3, opened }),
      (fs) => fs.state.sessions.setEndedInstance(2, 5),
      (fs) => fs.state.sessions.putSlot(id, row(0, 1)),
      (fs) => fs.state.sessions.putSlot(id, { ...row(0, 1), status: 4 }),
      (fs) => fs.state.sessions.putSlot(id, { ...row(0, 1), requestDigest: digest(99) }),
      (fs) => fs.state.sessions.putSlot(id, { ...row(0, 1), result: undefined }),
      (fs) => fs.state.sessions.putSlot(id, { ...row(0, 1), result: Buffer.alloc(0) }),
    ];
    for (const variant of variants) {
      const fs = Driver.fresh();
      inBatch(fs, () => variant(fs));
      digests.add(Buffer.from(fs.state.checkpoint()).toString('hex'));
    }
    expect(digests.size).toBe(variants.length);
  });
});
