import { createPublicKey, verify } from 'node:crypto';
import { Point } from '@noble/ed25519';
import { sha512 } from '@noble/hashes/sha2.js';
import { describe, expect, it } from 'vitest';
import { checkPublicKey, SigningKey, VerifyingKey } from '../../../src/crypto/ed25519.js';
import { noblePublicKey, nobleSign, nobleVerify } from '../../../src/crypto/ed25519-noble.js';
import { opensslEngine } from '../../../src/crypto/ed25519-openssl.js';
import { sodiumEngine } from '../../../src/crypto/ed25519-sodium.js';

const { n: L, p: P } = Point.CURVE();
const hex = (text: string): Buffer => Buffer.from(text, 'hex');

/** RFC 8032 §7.1: seed, public key, message, signature. */
const RFC_8032 = [
  [
    '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    '',
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  ],
  [
    '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    '72',
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  ],
  [
    'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    'af82',
    '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  ],
].map((vector) => vector.map(hex));

const toScalar = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
const fromScalar = (scalar: bigint): Buffer => Buffer.from(scalar.toString(16).padStart(64, '0'), 'hex').reverse();
const times = (point: Point, scalar: bigint): Point =>
  scalar % L === 0n ? Point.ZERO : point.multiplyUnsafe(scalar % L);

/** A point of order 8: what is left of some point when its part in the prime-order subgroup is taken away. */
function torsionGenerator(): Point {
  for (let y = 2; ; y++) {
    let point: Point;
    try {
      point = Point.fromBytes(fromScalar(BigInt(y)), false);
    } catch {
      continue;
    }
    // [L]P, computed as [L−1]P + P since scalars are taken below L.
    const torsion = point.multiplyUnsafe(L - 1n).add(point);
    if (!torsion.double().double().is0()) return torsion;
  }
}

const T8 = torsionGenerator();
const TORSION = Array.from({ length: 8 }, (_, i) => times(T8, BigInt(i)));

/** All 32-byte strings that decode to `point` by some decoder: the canonical one, y + p, the sign bit of x = 0. */
function encodings(point: Point): Buffer[] {
  const canonical = Buffer.from(point.toBytes());
  const found: Buffer[] = [canonical];
  const sign = canonical[31] & 0x80;
  const y = toScalar(canonical) & ((1n << 255n) - 1n);
  if (y + P < 1n << 255n) {
    const bytes = fromScalar(y + P);
    bytes[31] |= sign;
    found.push(bytes);
  }
  if (point.toAffine().x === 0n)
    for (const bytes of [...found]) found.push(Buffer.from([...bytes.subarray(0, 31), bytes[31] ^ 0x80]));
  return found;
}

const challenge = (R: Uint8Array, A: Uint8Array, message: Uint8Array): bigint =>
  toScalar(sha512(Buffer.concat([R, A, message]))) % L;

interface Vector {
  name: string;
  A: Buffer;
  message: Buffer;
  signature: Buffer;
}

const a = 0x1234_5678_9abc_def0n ** 3n % L;
const r = 0x0fed_cba9_8765_4321n ** 3n % L;

/**
 * Signatures S = r + k·a under every combination of torsion in A and R and of their encodings, for several messages:
 * the classes of "Taming the many EdDSAs" §5 (small and mixed order, cofactored-only, non-canonical), and more.
 */
function vectors(): Vector[] {
  const all: Vector[] = [];
  const base = Point.BASE.multiplyUnsafe(a);
  for (let i = 0; i < 8; i++) {
    for (let j = 0; j < 8; j++) {
      for (const [what, aPart, secret] of [
        ['mixed', base, a],
        ['small', Point.ZERO, 0n],
      ] as const) {
        for (const A of encodings(aPart.add(TORSION[i]))) {
          for (const [rWhat, rPart, nonce] of [
            ['mixed', times(Point.BASE, r), r],
            ['small', Point.ZERO, 0n],
          ] as const) {
            for (const R of encodings(rPart.add(TORSION[j]))) {
              const message = Buffer.from([i, j, all.length & 0xff]);
              const S = (nonce + challenge(R, A, message) * secret) % L;
              const name = `A ${what} ${i}, R ${rWhat} ${j}`;
              all.push({ name, A, message, signature: Buffer.concat([R, fromScalar(S)]) });
            }
          }
        }
      }
    }
  }
  return all;
}

/** Messages for which the torsion of A, times k, is exactly what R has: cofactorless verification accepts those. */
function acceptedMixedOrder(): Vector {
  const A = Buffer.from(Point.BASE.multiplyUnsafe(a).add(T8).toBytes());
  for (let i = 0; ; i++) {
    const message = Buffer.from(`message ${i}`);
    const R = Buffer.from(Point.BASE.multiplyUnsafe(r).toBytes());
    const k = challenge(R, A, message);
    if (k % 8n === 0n)
      return { name: 'k divisible by 8', A, message, signature: Buffer.concat([R, fromScalar((r + k * a) % L)]) };
  }
}

const sodium = sodiumEngine();
// On a machine without, it is OpenSSL's verdict twice.
const ENGINES = [sodium ?? opensslEngine, opensslEngine];

/** That on which all agree; undefined if they do not. */
function verdict({ A, message, signature }: Vector): boolean | undefined {
  const verdicts = ENGINES.map((engine) => new VerifyingKey(A, engine).verify(message, signature));
  verdicts.push(nobleVerify(A, message, signature));
  return new Set(verdicts).size === 1 ? verdicts[0] : undefined;
}

describe('RFC 8032 §7.1', () => {
  it.each(RFC_8032)('seed %#', (seed, publicKey, message, signature) => {
    for (const engine of ENGINES) {
      const key = new SigningKey(seed, engine);
      expect(key.publicKey).toEqual(publicKey);
      expect(key.sign(message)).toEqual(signature);
    }
    expect(Buffer.from(noblePublicKey(seed))).toEqual(publicKey);
    expect(Buffer.from(nobleSign(message, seed))).toEqual(signature);
    expect(verdict({ name: '', A: publicKey, message, signature })).toBe(true);
    expect(checkPublicKey(publicKey)).toBeNull();
  });
});

describe('libsodium, OpenSSL and noble', () => {
  const all = vectors();

  it('have the whole torsion subgroup to disagree on', () => {
    expect(new Set(TORSION.map((point) => point.toHex())).size).toBe(8);
    expect(all.length).toBeGreaterThan(300);
  });

  it('give the same verdict on every mixed-order, small-order and non-canonical signature', () => {
    let accepted = 0;
    for (const vector of all) {
      const agreed = verdict(vector);
      expect(agreed, vector.name).toBeDefined();
      if (agreed) accepted++;
    }
    expect(accepted).toBeGreaterThan(0);
    expect(accepted).toBeLessThan(all.length / 2);
  });

  it('do not agree without the rule: OpenSSL alone accepts keys, and R, of small order', () => {
    const prefix = hex('302a300506032b6570032100');
    const bare = ({ A, message, signature }: Vector): boolean =>
      verify(
        null,
        message,
        createPublicKey({ key: Buffer.concat([prefix, A]), format: 'der', type: 'spki' }),
        signature,
      );
    expect(all.some((vector) => bare(vector) !== nobleVerify(vector.A, vector.message, vector.signature))).toBe(true);
  });

  it('accept a mixed-order key where the equation holds without the cofactor, and not where only with it', () => {
    const vector = acceptedMixedOrder();
    expect(verdict(vector)).toBe(true);
    const R = Buffer.from(Point.fromBytes(vector.signature.subarray(0, 32)).add(T8).toBytes());
    const k = challenge(R, vector.A, vector.message);
    const cofactored = { ...vector, signature: Buffer.concat([R, fromScalar((r + k * a) % L)]) };
    if (k % 8n !== 1n) expect(verdict(cofactored)).toBe(false);
  });

  it('refuse S + L, altered signatures, and other lengths', () => {
    const [seed, A, message, signature] = RFC_8032[1];
    const tooLarge = Buffer.concat([signature.subarray(0, 32), fromScalar(toScalar(signature.subarray(32)) + L)]);
    expect(verdict({ name: '', A, message, signature: tooLarge })).toBe(false);
    for (let at = 0; at < 64; at += 7) {
      const changed = Buffer.from(signature);
      changed[at] ^= 4;
      expect(verdict({ name: '', A, message, signature: changed })).toBe(false);
    }
    for (const wrong of [signature.subarray(0, 63), Buffer.concat([signature, Buffer.alloc(1)]), Buffer.alloc(0)]) {
      expect(verdict({ name: '', A, message, signature: wrong })).toBe(false);
    }
    expect(verdict({ name: '', A: Buffer.from(seed.subarray(0, 31)), message, signature })).toBe(false);
  });
});

describe('checkPublicKey', () => {
  it('takes keys of the prime-order subgroup only', () => {
    const base = Point.BASE.multiplyUnsafe(a);
    expect(checkPublicKey(base.toBytes())).toBeNull();
    for (let i = 1; i < 8; i++) expect(checkPublicKey(base.add(TORSION[i]).toBytes())).toMatch(/prime-order/);
    for (const point of TORSION) {
      const [canonical, ...others] = encodings(point);
      expect(checkPublicKey(canonical)).toMatch(/small order/);
      for (const other of others) expect(checkPublicKey(other)).toMatch(/canonical/);
    }
    expect(checkPublicKey(Buffer.alloc(31))).toMatch(/31 bytes/);
    expect(checkPublicKey(fromScalar(2n))).toMatch(/canonical/);
  });
});
