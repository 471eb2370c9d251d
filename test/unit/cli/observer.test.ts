import { describe, expect, it } from 'vitest';
import { clusterStatus } from '../../../src/cli/inspection.js';
import { clockFaults, Observer, remarks } from '../../../src/cli/observer.js';
import { cluster } from './four-replicas.js';

const HOUR = 3_600_000;

/** @param ahead by replica, of this machine's clock, ms; null: it does not answer; anything else is said as it is */
async function observed(ahead: unknown[], refusals: [number, string][] = []) {
  const said = (value: unknown) => (typeof value === 'number' ? { clock: Date.now() + value } : { clock: value });
  const inspect = async (id: number) => (ahead[id] === null ? null : said(ahead[id]));
  const observer = new Observer({ inspect, refusals: new Map(refusals) });
  const reports = await Promise.all(ahead.map((_, id) => observer.inspect(id, 1000)));
  return observer.observed(clusterStatus(cluster, reports));
}

const faulty = async (...ahead: unknown[]) => clockFaults(await observed(ahead)).map(({ replica }) => replica);

describe('clocks', () => {
  it('that agree within what an answer takes are right', async () => {
    expect(await faulty(0, 100, -3000, 5000)).toEqual([]);
    expect(await faulty(0, null, null, null)).toEqual([]);
    expect(await faulty(null, null, null, null)).toEqual([]);
  });

  it('of one replica, or of this machine, are told apart', async () => {
    expect(await faulty(0, HOUR, 0, 0)).toEqual([1]);
    expect(await faulty(0, 0, -HOUR, null)).toEqual([2]);
    expect(await faulty(HOUR, HOUR, HOUR, HOUR)).toEqual([null]);
    expect(await faulty(HOUR, HOUR, HOUR, 0)).toEqual([3, null]);
  });

  it('are nothing where a replica talks nonsense', async () => {
    expect(await faulty(0, 'noon', 0, 0)).toEqual([]);
    expect((await observed([0, 'noon', Number.NaN, null])).replicas.map(({ clockOffsetMs }) => clockOffsetMs)).toEqual([
      expect.any(Number),
      ...[null, null, null],
    ]);
  });

  it('are told in words, with what to do', async () => {
    const text = remarks(await observed([0, -HOUR, 0, 0]));
    expect(text).toMatch(
      /^the clock of replica 1 is 3600 s behind: set it \(timedatectl, chrony\): replicas more than 60 s/,
    );
    expect(remarks(await observed([HOUR, HOUR, HOUR, HOUR]))).toMatch(
      /^beside those of most replicas the clock of this machine is 3600 s behind: set it/,
    );
    expect(remarks(await observed([0, 0, 0, 0]))).toBe('');
  });
});

describe('a replica that answers and agrees to no link', () => {
  it('is told with the reason', async () => {
    const status = await observed([0, 0, null, 0], [[2, 'replica 2 was dialed, replica 3 answered']]);
    expect(remarks(status)).toBe('replica 2 cannot be linked to: replica 2 was dialed, replica 3 answered\n');
    expect(status.replicas[2]).toMatchObject({ up: false, refusal: 'replica 2 was dialed, replica 3 answered' });
    expect(status.replicas[0]).toMatchObject({ refusal: null });
  });
});
