/** What the verbs of `byzfs bench` are told. The names are those of the benchmarks, which only their verb may load. */
import { resolve } from 'node:path';
import { InvalidArgumentError } from 'commander';
import type { Scene } from '../../../bench/faults/faults.js';
import { integerIn } from '../options.js';

/** `--target`. */
export function namedPath(text: string): { name: string; path: string } {
  const match = /^([A-Za-z0-9][A-Za-z0-9._-]*)=(.+)$/.exec(text);
  if (match === null) throw new InvalidArgumentError('NAME=PATH expected.');
  return { name: match[1], path: resolve(match[2]) };
}

export const list =
  (low: number, high: number) =>
  (text: string): number[] =>
    text.split(',').map(integerIn(low, high));

/** -1 leaves out what the bias decides. */
export function bias(text: string): number {
  return text === '-1' ? -1 : integerIn(0, 10)(text);
}

export function sizes(text: string): { low: number; high: number } {
  const [low, high, ...more] = text.split('-').map(integerIn(1, 16 * 2 ** 20));
  if (high === undefined || more.length > 0 || low > high)
    throw new InvalidArgumentError('LOW-HIGH expected, in bytes.');
  return { low, high };
}

export const TARGETS = ['byzfs', 'byzfs-f0', 'synced', 'local'];
/** Of TOCS '02: copies of the tree. */
export const ANDREW_PRESETS: Readonly<Record<string, number>> = { Andrew100: 100, Andrew500: 500 };
export const MICRO_CLUSTERS = [
  ...['byzfs', 'byzfs-f0', 'no-batching', 'no-tentative-execution', 'no-digest-replies', 'no-deferred-commits'],
  ...['no-direct-reads', 'no-separate-requests', 'mac', 'encrypted', 'synced'],
];

export const FAULT_SCENES: Scene[] = ['backup', 'primary', 'liar', 'rejoin', 'recovery'];
export const FAULT_WORKLOADS: ('micro' | 'mount')[] = ['micro', 'mount'];
export const SCALE_AXES = ['files', 'size', 'faults', 'clients', 'round-trip'];

export function axisLimit(text: string): [string, number] {
  const match = /^([a-z-]+)=(\d{1,9})$/.exec(text);
  if (match === null || !SCALE_AXES.includes(match[1])) throw new InvalidArgumentError('AXIS=NUMBER expected.');
  return [match[1], Number(match[2])];
}
