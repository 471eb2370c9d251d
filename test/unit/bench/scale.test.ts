import { describe, expect, it } from 'vitest';
import { Series } from '../../../bench/scale/axis.js';
import { setUp } from '../../../bench/scale/round-trip.js';
import { AXES, runScale } from '../../../bench/scale/scale.js';

describe('the axes', () => {
  it('are those of the paper and of what an operator asks', () => {
    expect(AXES).toEqual(['files', 'size', 'faults', 'clients', 'round-trip']);
  });

  it('gather the points of each curve', () => {
    const series = new Series();
    series.add('a', 1, 10);
    series.add('b', 1, 20);
    series.add('a', 2, 11);
    expect(series.curve({ axis: 'x', xLabel: 'x', yLabel: 'y' }).series).toEqual([
      {
        name: 'a',
        points: [
          [1, 10],
          [2, 11],
        ],
      },
      { name: 'b', points: [[1, 20]] },
    ]);
  });

  it('say why a cluster does not start', async () => {
    const options = {
      command: [process.execPath, '-e', 'console.error("byzfs: no luck"); process.exit(1)'],
      connect: async () => {
        throw new Error('nothing to connect to');
      },
      ...{ axes: ['faults'], upTo: new Map([['faults', 0]]), operations: 10, signal: new AbortController().signal },
      progress: { start: () => {}, step: () => {} },
    };
    await expect(runScale(options)).rejects.toThrow('no luck');
  });
});

describe('a network with a round trip', () => {
  it('is delayed by half of it in each direction, on its own loopback only', () => {
    const commands = setUp('ns', 5).map((words) => words.join(' '));
    expect(commands[0]).toBe('ip netns add ns');
    expect(commands.at(-1)).toBe('ip netns exec ns tc qdisc add dev lo root netem delay 2.5ms limit 100000');
    for (const command of commands.slice(1)) expect(command).toMatch(/^ip netns exec ns /);
  });
});
