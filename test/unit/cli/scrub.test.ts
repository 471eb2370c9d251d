import { describe, expect, it } from 'vitest';
import { followScrub } from '../../../src/cli/scrub.js';
import { readScrubStatus, type ScrubStatus } from '../../../src/status/report.js';

const status = (more: Partial<ScrubStatus> = {}): ScrubStatus => ({
  ...{ rows: 0, damaged: 0, repaired: 0, lastPass: null, passes: 0, current: null, asked: false },
  ...more,
});

/** A replica that answers so; the last answer for ever. */
function follow(answers: (ScrubStatus | null)[], silenceMs = 1000) {
  const asked: boolean[] = [];
  const result = followScrub({
    ask: async (scrub) => {
      asked.push(scrub);
      return answers[Math.min(asked.length, answers.length) - 1];
    },
    progress: () => {},
    pause: () => new Promise((resolve) => setTimeout(resolve, 1)),
    silenceMs,
  });
  return { asked, result };
}

describe('following a scrub', () => {
  it('asks once, and waits for the pass to end', async () => {
    const { asked, result } = follow([
      status({ asked: true, passes: 4, rows: 90, damaged: 2, repaired: 2 }),
      status({ asked: true, passes: 4, current: 50, rows: 90, damaged: 2, repaired: 2 }),
      status({ passes: 5, rows: 100, damaged: 2, repaired: 2 }),
    ]);
    expect(await result).toEqual({ rows: 100, damaged: 0, repaired: 0 });
    expect(asked).toEqual([true, false, false]);
  });

  it('asks until it is heard, and again if the replica has forgotten it', async () => {
    const { asked, result } = follow([
      null,
      status({ passes: 7 }),
      status({ asked: true, passes: 7 }),
      null,
      status({ passes: 0 }),
      status({ asked: true, passes: 0, damaged: 3 }),
      status({ passes: 1, rows: 80, damaged: 3, repaired: 3 }),
    ]);
    expect(await result).toEqual({ rows: 80, damaged: 3, repaired: 3 });
    expect(asked).toEqual([true, true, true, false, false, true, false]);
  });

  it('gives up on a replica that is silent', async () => {
    await expect(follow([null], 20).result).rejects.toThrow(/does not answer/);
  });
});

describe('what a replica says of its passes', () => {
  it('is checked', () => {
    expect(readScrubStatus({ scrub: status() })).toEqual(status());
    for (const wrong of [null, 7, {}, { scrub: null }, { scrub: { ...status(), rows: -1 } }]) {
      expect(readScrubStatus(wrong)).toBeNull();
    }
  });
});
