/**
 * Private keys as files: one key a file, readable by its owner only. A first line says what it is and whose; then comes
 * the Ed25519 seed (RFC 8032 §5.1.5) in base64url, or, encrypted, three lines:
 *
 *     byzfs-encrypted-key/1 replica 2
 *     public-key KEY
 *     scrypt LOG2N SALT
 *     aes-256-gcm BOX
 */
import { closeSync, fstatSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { SigningKey } from '../crypto/ed25519.js';
import { ClusterError, systemCode } from './errors.js';
import { unlock } from './passphrase.js';
import { requirePrivate } from './private-file.js';
import { BOX_BYTES, LOG2_N_RANGE, type SealedKey, seal } from './sealed-key.js';

const PLAIN = 'byzfs-private-key/1';
const ENCRYPTED = 'byzfs-encrypted-key/1';
const SEED_TEXT = /^[A-Za-z0-9_-]{43}\n$/;
const SEALED_TEXT =
  /^public-key ([A-Za-z0-9_-]{43})\nscrypt ([1-9]\d?) ([A-Za-z0-9_-]{22})\naes-256-gcm ([A-Za-z0-9_-]{80})\n$/;

/** A key as its file has it. */
export interface StoredKey {
  /** `replica 2`, `client mount`: for people; who it is for is decided by its public key. */
  owner: string;
  publicKey: Buffer;
  /** 32 bytes; undefined where it is encrypted. */
  seed: Buffer | undefined;
  sealed: SealedKey | undefined;
}

function keyText(owner: string, seed: Buffer, passphrase: string | undefined): string {
  if (passphrase === undefined) return `${PLAIN} ${owner}\n${seed.toString('base64url')}\n`;
  const { publicKey, log2N, salt, box } = seal(seed, passphrase);
  const text = (bytes: Buffer): string => bytes.toString('base64url');
  return `${ENCRYPTED} ${owner}\npublic-key ${text(publicKey)}\nscrypt ${log2N} ${text(salt)}\naes-256-gcm ${text(box)}\n`;
}

/** @param passphrase undefined: the key is not encrypted */
export function writeKeyFile(path: string, owner: string, seed: Buffer, passphrase?: string): void {
  writeFileSync(path, keyText(owner, seed, passphrase), { mode: 0o600, flag: 'wx', flush: true });
}

/** Writes a key file anew, all of it or nothing. */
export function rewriteKeyFile(path: string, owner: string, seed: Buffer, passphrase?: string): void {
  writeKeyFile(`${path}.new-${process.pid}`, owner, seed, passphrase);
  renameSync(`${path}.new-${process.pid}`, path);
}

/**
 * What a key file says without its passphrase.
 * @throws ClusterError `missing`, `unreadable` (also when others than the owner may read it) or `invalid`
 */
export function readStoredKey(path: string): StoredKey {
  const text = readPrivate(path);
  const [, format, owner, content] = /^(\S+) ([^\n]*)\n(.*)$/s.exec(text) ?? [];
  const corrupt = (expected: string) =>
    new ClusterError('invalid', `${path}: corrupt: ${expected} expected after the first: put a copy of it back`);
  if (format === ENCRYPTED) {
    const sealed = sealedKey(content);
    if (sealed === undefined) throw corrupt('lines of an encrypted key');
    return { owner, publicKey: sealed.publicKey, seed: undefined, sealed };
  }
  if (!text.startsWith(`${PLAIN} `)) throw new ClusterError('invalid', `${path}: not a key file: "${PLAIN}" expected`);
  if (format !== PLAIN || !SEED_TEXT.test(content)) throw corrupt('one line of 43 base64url characters');
  const seed = Buffer.from(content, 'base64url');
  return { owner, publicKey: new SigningKey(seed).publicKey, seed, sealed: undefined };
}

/**
 * The 32-byte seed of a key, for which its passphrase may be asked for.
 * @throws ClusterError `locked`
 */
export function seedOf(path: string, { seed, sealed }: StoredKey): Buffer {
  return seed ?? unlock(path, sealed!);
}

function sealedKey(content: string): SealedKey | undefined {
  const [, key, cost, salt, box] = SEALED_TEXT.exec(content) ?? [];
  if (key === undefined) return undefined;
  const bytes = (text: string): Buffer => Buffer.from(text, 'base64url');
  const sealed = { publicKey: bytes(key), log2N: Number(cost), salt: bytes(salt), box: bytes(box) };
  const { low, high } = LOG2_N_RANGE;
  return sealed.box.length === BOX_BYTES && sealed.log2N >= low && sealed.log2N <= high ? sealed : undefined;
}

function readPrivate(path: string): string {
  try {
    const file = openSync(path, 'r');
    try {
      requirePrivate(path, fstatSync(file).mode, 'private key');
      return readFileSync(file, 'utf8');
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if (error instanceof ClusterError) throw error;
    const code = systemCode(error);
    if (code === 'ENOENT') throw new ClusterError('missing', `${path}: not there: this machine does not have that key`);
    throw new ClusterError('unreadable', `${path}: cannot be read: ${code ?? String(error)}`);
  }
}
