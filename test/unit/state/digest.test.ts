import { hash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { LtHash } from '../../../replica/state/digest.js';

const row = (text: string) => hash('sha256', text, 'buffer');

describe('LtHash', () => {
  it('depends on the set of rows, not on the order or way it came about', () => {
    const forward = new LtHash();
    for (const text of ['a', 'b', 'c']) forward.replace(undefined, row(text));
    const other = new LtHash();
    for (const text of ['c', 'x', 'a']) other.replace(undefined, row(text));
    const resumed = new LtHash(other.save());
    resumed.replace(row('x'), row('y'));
    resumed.replace(row('y'), row('b'));
    expect(resumed.root()).toEqual(forward.root());
    expect(other.root()).not.toEqual(forward.root());
  });

  it('is empty again without rows', () => {
    const digest = new LtHash();
    digest.replace(undefined, row('a'));
    digest.replace(row('a'), undefined);
    expect(digest.save()).toEqual(Buffer.alloc(2048));
  });

  it('is the sum of SHAKE-128 expansions in 16-bit lanes', () => {
    const digest = new LtHash();
    digest.replace(undefined, Buffer.alloc(32));
    expect(digest.save().toString('hex', 0, 4)).toBe(SHAKE128_OF_32_ZEROS);
  });
});

/** `head -c 32 /dev/zero | openssl dgst -shake128 -xoflen 4` */
const SHAKE128_OF_32_ZEROS = '24a7ca4b';
