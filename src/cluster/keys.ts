/**
 * Private keys as files: one key a file, readable by its owner only. Two lines: what it is and whose, and the
 * Ed25519 seed (RFC 8032 §5.1.5) in base64url.
 */
import { closeSync, fstatSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { ClusterError, systemCode } from './errors.js';

const HEADER = 'byzfs-private-key/1';
const SEED_TEXT = /^[A-Za-z0-9_-]{43}$/;

/** @param owner `replica 2`, `client mount`: for people; who it is for is decided by its public key. */
export function writeKeyFile(path: string, owner: string, seed: Buffer): void {
  writeFileSync(path, `${HEADER} ${owner}\n${seed.toString('base64url')}\n`, { mode: 0o600, flag: 'wx', flush: true });
}

/**
 * The 32-byte seed in a key file.
 * @throws ClusterError `missing`, `unreadable` (also when others than the owner may read it) or `invalid`
 */
export function readKeyFile(path: string): Buffer {
  let text: string;
  try {
    const file = openSync(path, 'r');
    try {
      const mode = fstatSync(file).mode & 0o777;
      if ((mode & 0o077) !== 0) {
        throw new ClusterError(
          'unreadable',
          `${path}: mode ${mode.toString(8).padStart(4, '0')} lets others than its owner use this private key: chmod 600 it`,
        );
      }
      text = readFileSync(file, 'utf8');
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if (error instanceof ClusterError) throw error;
    const code = systemCode(error);
    if (code === 'ENOENT') throw new ClusterError('missing', `${path}: not there: this machine does not have that key`);
    throw new ClusterError('unreadable', `${path}: cannot be read: ${code ?? String(error)}`);
  }
  const [header, seed, end, ...more] = text.split('\n');
  if (!header.startsWith(`${HEADER} `))
    throw new ClusterError('invalid', `${path}: not a key file: "${HEADER}" expected`);
  if (seed === undefined || !SEED_TEXT.test(seed) || end !== '' || more.length > 0) {
    throw new ClusterError('invalid', `${path}: corrupt: one line of 43 base64url characters expected after the first`);
  }
  return Buffer.from(seed, 'base64url');
}
