import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Outage } from '../../../fs-client/outage.js';

describe('the log of an outage', () => {
  let lines: { msg: string; [field: string]: unknown }[];
  let outage: Outage;
  const said = () => lines.map(({ msg }) => msg);

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['performance'] });
    lines = [];
    outage = new Outage(pino({ level: 'warn' }, { write: (line: string) => lines.push(JSON.parse(line)) }));
  });
  afterEach(() => vi.useRealTimers());

  it('has one line when calls begin to fail, and one when they are answered again', () => {
    outage.answered();
    for (let i = 0; i < 500; i++) outage.failed('write', 'no quorum');
    vi.advanceTimersByTime(90_000);
    outage.failed('lookup', 'no quorum');
    vi.advanceTimersByTime(1000);
    outage.answered();
    outage.answered();
    expect(said()).toEqual([expect.stringMatching(/^EIO: no quorum; no more lines/), 'calls are answered again']);
    expect(lines[1]).toMatchObject({ failed: 501, inDoubt: 0, seconds: 91 });
  });

  it('goes on while some calls are answered and others fail', () => {
    for (let i = 0; i < 100; i++) {
      outage.failed('write', 'no quorum');
      vi.advanceTimersByTime(500);
      outage.answered();
    }
    expect(lines).toHaveLength(1);
  });

  it('is told of again when it comes again', () => {
    for (let i = 0; i < 2; i++) {
      outage.failed('write', 'no quorum');
      vi.advanceTimersByTime(1000);
      outage.answered();
    }
    expect(lines).toHaveLength(4);
  });

  it('names changes in doubt, but not without end', () => {
    for (let ino = 1; ino <= 100; ino++) {
      outage.failed('write', 'no quorum');
      outage.doubtful({ op: 'write', ino });
    }
    expect(lines).toHaveLength(1 + 32);
    expect(lines[1]).toMatchObject({ op: 'write', ino: 1, msg: expect.stringMatching(/^in doubt/) });
    vi.advanceTimersByTime(1000);
    outage.answered();
    expect(lines.at(-1)).toMatchObject({ failed: 100, inDoubt: 100 });
  });

  it('is told of once where calls wait instead of failing', () => {
    for (let i = 0; i < 10; i++) outage.waiting('write', 30);
    vi.advanceTimersByTime(1000);
    outage.answered();
    expect(said()).toEqual([expect.stringMatching(/^no answer in 30 s: waiting on/), 'calls are answered again']);
    expect(lines[1]).toMatchObject({ failed: 0 });
  });
});
