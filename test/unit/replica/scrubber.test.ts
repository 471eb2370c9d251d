import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Scrubber, ScrubTally } from '../../../replica/scrubber.js';
import { alter } from '../state/damage.js';
import type { Driver } from '../state/support.js';
import { begin, certify, filled, gather, hex, install } from '../state/transfers.js';

describe('the scrubber', () => {
  let fs: Driver;
  let tally: ScrubTally;
  let caughtUp: boolean;
  let damages: string[];
  let certified: { sequence: number; root: string } | undefined;
  let scrubber: Scrubber;

  beforeEach(() => {
    vi.useFakeTimers();
    fs = filled(60);
    fs.state.commit();
    tally = new ScrubTally();
    caughtUp = true;
    damages = [];
    certified = undefined;
    scrubber = new Scrubber({
      state: fs.state,
      tally,
      guard: (action) => action(),
      isCaughtUp: () => caughtUp,
      certified: () => certified,
      onDamage: (what) => {
        damages.push(what);
        fs.state.distrust();
      },
    });
    scrubber.start();
  });
  afterEach(() => {
    scrubber.stop();
    vi.useRealTimers();
  });

  it('makes a pass soon after the start, and then one an hour', () => {
    vi.advanceTimersByTime(4_000);
    expect(scrubber.status).toMatchObject({ passes: 0, lastPass: null, current: null });
    vi.advanceTimersByTime(10_000);
    const first = scrubber.status;
    expect(first).toMatchObject({ passes: 1, damaged: 0, repaired: 0, asked: false, current: null });
    expect(first.rows).toBeGreaterThan(180);
    vi.advanceTimersByTime(50 * 60_000);
    expect(scrubber.status.passes).toBe(1);
    vi.advanceTimersByTime(11 * 60_000);
    expect(scrubber.status.passes).toBe(2);
    expect(scrubber.status.lastPass).toBeGreaterThan(first.lastPass!);
  });

  it('makes one at once when it is asked to, as soon as the replica has caught up', () => {
    caughtUp = false;
    scrubber.ask();
    vi.advanceTimersByTime(60_000);
    expect(scrubber.status).toMatchObject({ asked: true, passes: 0, current: null });
    caughtUp = true;
    vi.advanceTimersByTime(2_000);
    expect(scrubber.status).toMatchObject({ asked: false, passes: 1 });
  });

  it('tells of damage once, and begins again when it is mended', () => {
    const certified = certify(fs);
    alter(fs, "UPDATE block SET data = x'00' WHERE fork = 9");
    scrubber.ask();
    vi.advanceTimersByTime(10_000);
    expect(damages).toEqual(['rows of it were altered']);
    expect(scrubber.status).toMatchObject({ asked: true, passes: 0 });
    const source = filled(60);
    certify(source);
    const transfer = begin(fs, certified);
    gather(transfer, source.state);
    install(transfer);
    vi.advanceTimersByTime(10_000);
    expect(damages).toEqual(['rows of it were altered']);
    expect(scrubber.status).toMatchObject({ asked: false, passes: 1 });
  });

  it('compares the root of the last stable checkpoint at the end of a pass, if it has that', () => {
    const { sequence, root } = certify(fs);
    certified = { sequence, root: hex(root) };
    scrubber.ask();
    vi.advanceTimersByTime(10_000);
    certified = { sequence: sequence - 1, root: '00'.repeat(32) };
    scrubber.ask();
    vi.advanceTimersByTime(10_000);
    expect([scrubber.status.passes, damages]).toEqual([2, []]);
    certified = { sequence, root: '00'.repeat(32) };
    scrubber.ask();
    vi.advanceTimersByTime(10_000);
    expect(damages).toEqual([`its checkpoint ${sequence} is not the certified one`]);
    expect(scrubber.status).toMatchObject({ passes: 2, asked: true });
  });

  it('has repaired what was damaged when a whole pass has found nothing', () => {
    tally.damaged = 3;
    vi.advanceTimersByTime(10_000);
    expect(scrubber.status).toMatchObject({ damaged: 3, repaired: 3 });
  });
});
