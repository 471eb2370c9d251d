/** Parsers of option values: each throws commander's own error, so that a bad value is a usage error. */
import { InvalidArgumentError } from 'commander';
import { CLUSTER_SIZES } from '../cluster/create.js';
import { CLIENT_NAME } from '../fileservice/clients.js';

export const integerIn =
  (low: number, high: number) =>
  (text: string): number => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= low && value <= high)) throw new InvalidArgumentError(`An integer from ${low} to ${high} expected.`);
    return value;
  };

/** Seconds, perhaps with a fraction. */
export const seconds =
  (low: number, high: number) =>
  (text: string): number => {
    const value = /^\d{1,9}(\.\d{1,9})?$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= low && value <= high)) throw new InvalidArgumentError(`Seconds from ${low} to ${high} expected.`);
    return value;
  };

export function replicaCount(text: string): number {
  const value = Number(text);
  if (!CLUSTER_SIZES.includes(value)) {
    throw new InvalidArgumentError(`${CLUSTER_SIZES.join(', ')} expected: 3f+1 replicas tolerate f faulty ones.`);
  }
  return value;
}

export function clientName(text: string): string {
  if (!CLIENT_NAME.test(text)) {
    throw new InvalidArgumentError('1-63 of a-z 0-9 . _ - expected, a letter or digit first.');
  }
  return text;
}

/** For options that may be given several times. */
export const collect =
  <T>(parse: (text: string) => T) =>
  (text: string, earlier: T[] | undefined): T[] => [...(earlier ?? []), parse(text)];

export const asText = (text: string): string => text;

/** Some of the names that there are, separated by commas, in their own order. */
export const names =
  <Name extends string>(known: readonly Name[]) =>
  (text: string): Name[] => {
    const given = text.split(',');
    const wrong = given.find((name) => !known.includes(name as Name));
    if (wrong !== undefined) throw new InvalidArgumentError(`"${wrong}" is none of ${known.join(', ')}.`);
    return known.filter((name) => given.includes(name));
  };
