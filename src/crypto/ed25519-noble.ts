/**
 * The rule of ed25519.ts over noble's arithmetic: an independent second opinion, what decodes keys and knows small order, and
 * what the status page verifies with in a browser. noble's own `verify` multiplies the equation by the cofactor, with zip215
 * on or off, so verification is spelled out here.
 */
import { getPublicKey, hashes, Point, sign } from '@noble/ed25519';
import { sha512 } from '@noble/hashes/sha2.js';
import { bytesToHex, concatBytes } from '@noble/hashes/utils.js';

hashes.sha512 = sha512;

const GROUP_ORDER = Point.CURVE().n;

/** The point a canonical encoding stands for (RFC 8032 §5.1.3); undefined for any other bytes. */
export function decodePublicKey(publicKey: Uint8Array): Point | undefined {
  try {
    return Point.fromBytes(publicKey, false);
  } catch {
    return undefined;
  }
}

/** The canonical encodings of the points of small order: multiples of one of order 8. */
const SMALL_ORDER = ((): ReadonlySet<string> => {
  const generator = Point.fromHex('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a');
  const points = [Point.ZERO];
  for (let i = 1; i < 8; i++) points.push(points[i - 1].add(generator));
  return new Set(points.map((point) => point.toHex()));
})();

/** Whether the bytes are the canonical encoding of a point of small order. */
export const isSmallOrder = (encoded: Uint8Array): boolean => SMALL_ORDER.has(bytesToHex(encoded));

export const noblePublicKey = (seed: Uint8Array): Uint8Array => getPublicKey(seed);

export const nobleSign = (message: Uint8Array, seed: Uint8Array): Uint8Array => sign(message, seed);

/** Measured: twenty times what libsodium takes. */
export function nobleVerify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== 64) return false;
  const A = decodePublicKey(publicKey);
  if (A === undefined || A.isSmallOrder()) return false;
  const R = signature.subarray(0, 32);
  if (isSmallOrder(R)) return false;
  const S = littleEndian(signature.subarray(32));
  if (S >= GROUP_ORDER) return false;
  const k = littleEndian(sha512(concatBytes(R, publicKey, message))) % GROUP_ORDER;
  const expected = Point.BASE.multiplyUnsafe(S).subtract(A.multiplyUnsafe(k));
  return bytesToHex(expected.toBytes()) === bytesToHex(R);
}

function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${bytesToHex(Uint8Array.from(bytes).reverse())}`);
}
