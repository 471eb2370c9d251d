/** Reads JSON that anybody may have written: each reader yields what it stands for, or throws where that is not there. */

/** The value at `at`, `replicas.0.id` for example, is not what it should be. */
export class Misshapen extends Error {
  override name = 'Misshapen';
  constructor(readonly at: string) {
    super(at === '' ? 'no object' : at);
  }
}

export type Reader<T> = (value: unknown, at: string) => T;

const reader =
  <T>(is: (value: unknown) => boolean): Reader<T> =>
  (value, at) => {
    if (!is(value)) throw new Misshapen(at);
    return value as T;
  };

export const integer = (low: number, high: number): Reader<number> =>
  reader((value) => Number.isSafeInteger(value) && (value as number) >= low && (value as number) <= high);

export const count = integer(0, Number.MAX_SAFE_INTEGER);

/** Finite and not below 0. */
export const amount = reader<number>((value) => Number.isFinite(value) && (value as number) >= 0);

export const flag = reader<boolean>((value) => typeof value === 'boolean');

/** @param longest in UTF-16 code units */
export const text = (longest: number): Reader<string> =>
  reader((value) => typeof value === 'string' && value.length <= longest);

export const matching = (pattern: RegExp): Reader<string> =>
  reader((value) => typeof value === 'string' && pattern.test(value));

export const oneOf = <const T extends string>(...known: readonly T[]): Reader<T> =>
  reader((value) => known.includes(value as T));

/** What is null or not there at all is `otherwise`. */
export const optional =
  <T, U>(read: Reader<T>, otherwise: U): Reader<T | U> =>
  (value, at) =>
    value === null || value === undefined ? otherwise : read(value, at);

export const list =
  <T>(read: Reader<T>, longest: number): Reader<T[]> =>
  (value, at) => {
    if (!Array.isArray(value) || value.length > longest) throw new Misshapen(at);
    return value.map((each, i) => read(each, `${at}.${i}`));
  };

/** Fields that are not named are left out. */
export const object =
  <T extends object>(fields: { [K in keyof T]: Reader<T[K]> }): Reader<T> =>
  (value, at) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Misshapen(at);
    const read: Partial<T> = {};
    for (const name in fields) {
      const path = at === '' ? name : `${at}.${name}`;
      read[name] = fields[name](Object.hasOwn(value, name) ? (value as Partial<T>)[name] : undefined, path);
    }
    return read as T;
  };
