/**
 * Keys of one connection: X25519 (RFC 7748) between ephemeral keys that a signed exchange vouches for, then
 * HKDF-SHA-256 (RFC 5869) into one key for each direction and one for request authenticators.
 */
import { createPublicKey, diffieHellman, generateKeyPairSync, hkdfSync, type KeyObject } from 'node:crypto';
import { assert } from '../limits.js';
import type { Digest } from '../pbft/messages.js';
import { AEAD_KEY_BYTES, AeadKey } from './aead.js';
import { MAC_KEY_BYTES, MacKey } from './macs.js';

export const X25519_KEY_BYTES = 32;
/** SubjectPublicKeyInfo of an X25519 key up to the key itself (RFC 8410 §4). */
const SPKI_PREFIX = Buffer.from('302a300506032b656e032100', 'hex');

export interface EphemeralKey {
  /** 32 bytes, to be sent. */
  readonly publicKey: Buffer;
  /** The shared secret with a peer's key; undefined where the peer's is one that yields zero (RFC 7748 §6.1). */
  agree(peerPublicKey: Uint8Array): Buffer | undefined;
}

export function generateEphemeralKey(): EphemeralKey {
  const { publicKey, privateKey } = generateKeyPairSync('x25519');
  return {
    publicKey: publicKey.export({ type: 'spki', format: 'der' }).subarray(SPKI_PREFIX.length),
    agree: (peerPublicKey) => agree(privateKey, peerPublicKey),
  };
}

function agree(privateKey: KeyObject, peerPublicKey: Uint8Array): Buffer | undefined {
  const key = Buffer.concat([SPKI_PREFIX, peerPublicKey]);
  try {
    return diffieHellman({ privateKey, publicKey: createPublicKey({ key, format: 'der', type: 'spki' }) });
  } catch {
    // OpenSSL refuses to derive the all-zero secret of a small-order point.
    return undefined;
  }
}

/** Of the frames of one direction: authenticates them, or encrypts them as well. */
export type FrameKey = MacKey | AeadKey;

export interface LinkKeys {
  /** For what the dialer sends. */
  readonly fromDialer: FrameKey;
  /** For what the acceptor sends. */
  readonly fromAcceptor: FrameKey;
  /** Client → replica: the replica's entry of the client's request authenticators. */
  readonly authenticator: MacKey;
}

assert(AEAD_KEY_BYTES === MAC_KEY_BYTES, 'keys of both kinds are cut from the same bytes');

/**
 * @param salt digest of everything both ends said, so that keys agree only where the conversations did
 * @param info Signables.linkKeysInfo
 */
export function deriveLinkKeys(
  sharedSecret: Uint8Array,
  salt: Digest,
  info: Uint8Array,
  isEncrypted: boolean,
): LinkKeys {
  const bytes = Buffer.from(hkdfSync('sha256', sharedSecret, salt, info, 3 * MAC_KEY_BYTES));
  const part = (i: number): Buffer => bytes.subarray(i * MAC_KEY_BYTES, (i + 1) * MAC_KEY_BYTES);
  const frameKey = (i: number): FrameKey => (isEncrypted ? new AeadKey(part(i)) : new MacKey(part(i)));
  return { fromDialer: frameKey(0), fromAcceptor: frameKey(1), authenticator: new MacKey(part(2)) };
}

/** A key that is replaced from time to time, the one before it accepted for a while: requests under it are under way. */
export class RotatingKey {
  private keys: readonly MacKey[];
  private graceEndsMs = 0;

  constructor(
    first: MacKey,
    private readonly graceMs: number,
  ) {
    this.keys = [first];
  }

  rotate(next: MacKey, nowMs: number): void {
    this.keys = [next, this.keys[0]];
    this.graceEndsMs = nowMs + this.graceMs;
  }

  /** The current key, then the one before it for as long as its grace lasts. */
  accepted(nowMs: number): readonly MacKey[] {
    if (this.keys.length > 1 && nowMs >= this.graceEndsMs) this.keys = [this.keys[0]];
    return this.keys;
  }
}
