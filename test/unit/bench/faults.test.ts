import { describe, expect, it } from 'vitest';
import { altered } from '../../../bench/faults/lies.js';
import { startLoad } from '../../../bench/faults/load.js';
import { recoveriesIn } from '../../../bench/faults/recoveries.js';
import { FAULTS, playFaults, type Stage } from '../../../bench/faults/script.js';
import { binsOf, gapsAfter, timelineOf } from '../../../bench/faults/timeline.js';

const answers = (...times: number[]) => times.map((atMs) => ({ atMs, latencyMs: atMs / 10 }));

describe('a timeline', () => {
  it('counts answers into bins, with their latencies', () => {
    expect(binsOf(answers(0, 99, 100, 350, 360, 370), 100, 400)).toEqual([
      { operations: 2, p50Ms: 0, maxMs: 9.9 },
      { operations: 1, p50Ms: 10, maxMs: 10 },
      { operations: 0, p50Ms: null, maxMs: null },
      { operations: 3, p50Ms: 36, maxMs: 37 },
    ]);
    // What came after the end is in no bin.
    expect(binsOf(answers(401), 100, 400).every(({ operations }) => operations === 0)).toBe(true);
  });

  it('finds the longest silence after each event, to its end', () => {
    const gaps = (times: number[], events: number[], duration: number) =>
      gapsAfter(
        answers(...times),
        events.map((atMs) => ({ atMs, name: 'e' })),
        duration,
      ).map(({ longestGapMs }) => longestGapMs);
    expect(gaps([10, 20, 100, 110, 120], [15], 125)).toEqual([80]);
    // A silence that had begun before counts from the event on.
    expect(gaps([10, 100], [50], 110)).toEqual([50]);
    // One that goes on when the next event comes counts for both, to its end.
    expect(gaps([10, 20, 500, 510], [15, 100], 520)).toEqual([480, 400]);
    // Nothing more is answered until the end.
    expect(gaps([10, 20], [15], 1000)).toEqual([980]);
    expect(gaps([], [0, 600], 1000)).toEqual([1000, 400]);
    // In whatever order they came in.
    expect(gaps([120, 10, 100, 20, 110], [15], 125)).toEqual([80]);
  });

  it('has both', () => {
    const what = { name: 'n', operation: 'o', outstanding: 2, binMs: 50 };
    const timeline = timelineOf(what, answers(10, 60), [{ atMs: 20.04, name: 'e' }], 100);
    expect(timeline).toMatchObject({ ...what, events: [{ atMs: 20, name: 'e', longestGapMs: 40 }] });
    expect(timeline.bins).toHaveLength(2);
  });
});

describe('a load', () => {
  it('keeps so many operations outstanding until it is stopped, and remembers each', async () => {
    let outstanding = 0;
    let most = 0;
    const load = startLoad(async () => {
      most = Math.max(most, ++outstanding);
      await new Promise((resolve) => setTimeout(resolve, 1));
      outstanding--;
    }, 5);
    while (load.answers.length < 50) await new Promise((resolve) => setTimeout(resolve, 1));
    await load.stop();
    expect(most).toBe(5);
    expect(outstanding).toBe(0);
    for (const { atMs, latencyMs } of load.answers) expect(atMs).toBeGreaterThanOrEqual(latencyMs);
  });

  it('says at once when an operation fails, and again when it is stopped', async () => {
    const load = startLoad(async (worker) => {
      if (worker === 3) throw new Error('no answer');
      await new Promise((resolve) => setTimeout(resolve, 1));
    }, 4);
    await expect(load.failed).rejects.toThrow('no answer');
    await expect(load.stop()).rejects.toThrow('no answer');
  });
});

describe('what happens to a cluster', () => {
  const play = async (faults: typeof FAULTS extends readonly (infer F)[] ? readonly F[] : never) => {
    const done: string[] = [];
    const down = new Set<number>();
    let mostDown = 0;
    let clock = 0;
    let primary = 1;
    const away = (id: number, what: string) => {
      done.push(`${what} ${id}`);
      expect(down.has(id)).toBe(false);
      down.add(id);
      mostDown = Math.max(mostDown, down.size);
      if (id === primary) primary = 2;
    };
    const back = async (id: number, what: string) => {
      done.push(`${what} ${id}`);
      expect(down.delete(id)).toBe(true);
    };
    const stage: Stage = {
      replicas: {
        n: 4,
        kill: (id) => away(id, 'kill'),
        start: (id) => back(id, 'start'),
        startLiar: (id) => back(id, 'liar'),
        startWithoutDisk: (id) => back(id, 'empty'),
        primary: async () => primary,
        allNormal: async () => void done.push('all'),
      },
      now: () => clock++,
      pauseMs: 0,
      signal: new AbortController().signal,
      step: () => {},
    };
    const happened = await playFaults(faults, stage);
    expect(down.size).toBe(0);
    return { done, happened, mostDown };
  };

  it('is one fault at a time, each over before the next', async () => {
    const { done, happened, mostDown } = await play(FAULTS);
    expect(mostDown).toBe(1);
    expect(done).toEqual([
      ...['kill 3', 'start 3', 'all'],
      ...['kill 1', 'start 1', 'all'],
      ...['kill 0', 'liar 0', 'kill 0', 'start 0', 'all'],
      ...['kill 0', 'empty 0', 'all'],
    ]);
    expect(happened.map(({ name }) => name)).toEqual([
      ...['a backup is killed', 'it is started again', 'the primary is killed', 'it is started again'],
      ...['a replica lies', 'it is honest again', 'a replica loses its disk', 'it rejoins with an empty one'],
    ]);
    expect(happened.map(({ atMs }) => atMs)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it('is only what is asked for', async () => {
    expect((await play(['primary'])).done).toEqual(['kill 1', 'start 1', 'all']);
  });
});

describe('recoveries', () => {
  it('are found in the log of a replica, within the timeline', () => {
    const lines = [
      'no JSON',
      JSON.stringify({ time: 900, msg: 'recovers: its turn has come' }),
      JSON.stringify({ time: 1500, msg: 'recovers: its turn has come' }),
      JSON.stringify({ time: 1700, msg: 'something else' }),
      JSON.stringify({ time: 1800, msg: 'has recovered: nothing differed' }),
      JSON.stringify({ time: 2500, msg: 'recovers: its turn has come' }),
      '{"time": 19',
    ];
    expect(recoveriesIn(2, lines.join('\n'), 1000, 1000)).toEqual([
      { atMs: 500, name: 'replica 2 begins to recover' },
      { atMs: 800, name: 'replica 2 has recovered' },
    ]);
  });
});

describe('a lie', () => {
  it('differs from the truth wherever that has bytes, and leaves the truth as it was', () => {
    const truth = Buffer.alloc(100, 7);
    const lie = altered(truth);
    expect(lie.length).toBe(100);
    expect(lie.equals(truth)).toBe(false);
    expect(truth.equals(Buffer.alloc(100, 7))).toBe(true);
    expect(altered(Buffer.from([1]))[0]).not.toBe(1);
  });
});
