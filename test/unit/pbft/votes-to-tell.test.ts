import { describe, expect, it } from 'vitest';
import { LogEntry } from '../../../src/pbft/log.js';

const [A, B, C] = [1, 2, 3].map((byte) => Buffer.alloc(32, byte));

const entry = (committed?: Uint8Array): LogEntry => {
  const made = new LogEntry(7, 0);
  made.committed = committed;
  return made;
};

describe('what a view-change tells of one number', () => {
  it('is what prepared last, and all that was pre-prepared', () => {
    const voted = entry();
    voted.notePrePrepared(1, A);
    voted.notePrepared(1, A);
    voted.notePrePrepared(3, B);
    expect(voted.votesToTell).toEqual({
      lastPrepared: { view: 1, digest: A },
      everPrePrepared: [
        { view: 1, digest: A },
        { view: 3, digest: B },
      ],
    });
    expect(entry().votesToTell).toEqual({ lastPrepared: undefined, everPrePrepared: [] });
  });

  it('is what committed and nothing else, once that is known, be it from others', () => {
    const told = { view: 0, digest: C };
    expect(entry(C).votesToTell).toEqual({ lastPrepared: told, everPrePrepared: [told] });
    const overruled = entry(C);
    overruled.notePrePrepared(1, A);
    overruled.notePrepared(1, A);
    expect(overruled.votesToTell).toEqual({ lastPrepared: told, everPrePrepared: [told] });
    const voted = entry(C);
    voted.notePrePrepared(2, C);
    voted.notePrepared(2, C);
    voted.notePrePrepared(4, C);
    expect(voted.votesToTell).toEqual({
      lastPrepared: { view: 2, digest: C },
      everPrePrepared: [{ view: 4, digest: C }],
    });
  });
});
