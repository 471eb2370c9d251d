import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readStoredKey, rewriteKeyFile, seedOf, writeKeyFile } from '../../../src/cluster/keys.js';
import { newPassphrase, passphrasesToHandOn } from '../../../src/cluster/passphrase.js';
import { seal, unseal } from '../../../src/cluster/sealed-key.js';
import { SigningKey } from '../../../src/crypto/ed25519.js';

const seed = Buffer.alloc(32, 7);
const { publicKey } = new SigningKey(seed);
const VARIABLES = ['BYZFS_PASSPHRASE_FILE', 'CREDENTIALS_DIRECTORY'] as const;

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'byzfs-test-'));
  path = join(directory, 'x.key');
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
  for (const name of VARIABLES) delete process.env[name];
});

const file = (name: string, text: string, mode = 0o600): string => {
  writeFileSync(join(directory, name), text, { mode });
  return join(directory, name);
};

describe('a key under a passphrase', () => {
  const sealed = seal(seed, 'open sesame', 14);

  it('is opened by that passphrase only', () => {
    expect(unseal(sealed, 'open sesame')).toEqual(seed);
    expect(unseal(sealed, 'open sesame ')).toBeUndefined();
    expect(sealed.box.includes(seed)).toBe(false);
  });

  it('is not opened when any of it was altered', () => {
    const flipped = (bytes: Buffer, at: number): Buffer => {
      const copy = Buffer.from(bytes);
      copy[at] ^= 1;
      return copy;
    };
    for (let at = 0; at < sealed.box.length; at += 13) {
      expect(unseal({ ...sealed, box: flipped(sealed.box, at) }, 'open sesame')).toBeUndefined();
    }
    expect(unseal({ ...sealed, publicKey: flipped(publicKey, 3) }, 'open sesame')).toBeUndefined();
    expect(unseal({ ...sealed, salt: flipped(sealed.salt, 0) }, 'open sesame')).toBeUndefined();
    expect(unseal({ ...sealed, log2N: 15 }, 'open sesame')).toBeUndefined();
  });

  it('is another box each time', () => {
    expect(seal(seed, 'open sesame', 14).box).not.toEqual(sealed.box);
  });
});

describe('an encrypted key file', () => {
  it('says whose key it is without its passphrase, and costs a guess what it is said to', () => {
    writeKeyFile(path, 'replica 2', seed, 'secret');
    const stored = readStoredKey(path);
    expect(stored).toMatchObject({ owner: 'replica 2', publicKey, seed: undefined, sealed: { log2N: 17 } });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readFileSync(path, 'utf8')).not.toContain(seed.toString('base64url'));
  });

  it('is opened by the file that is named, and what opened it is handed on', () => {
    writeKeyFile(path, 'replica 2', seed, 'the first line');
    process.env.BYZFS_PASSPHRASE_FILE = file('pass', 'the first line\nanother\n');
    expect(seedOf(path, readStoredKey(path))).toEqual(seed);
    expect(passphrasesToHandOn()).toContain('the first line\n');
    // Known from then on.
    delete process.env.BYZFS_PASSPHRASE_FILE;
    rewriteKeyFile(path, 'replica 2', seed, 'the first line');
    expect(seedOf(path, readStoredKey(path))).toEqual(seed);
    expect(readdirSync(directory).sort()).toEqual(['pass', 'x.key']);
  });

  it('is opened by the credential of a unit', () => {
    writeKeyFile(path, 'replica 2', seed, 'credential');
    file('byzfs-passphrase', 'credential');
    process.env.CREDENTIALS_DIRECTORY = directory;
    expect(seedOf(path, readStoredKey(path))).toEqual(seed);
  });

  it('is refused with the reason', () => {
    writeKeyFile(path, 'replica 2', seed, 'right');
    const open = () => seedOf(path, readStoredKey(path));
    process.env.BYZFS_PASSPHRASE_FILE = file('pass', 'wrong\n');
    expect(open).toThrow(/x\.key: what \S+\/pass holds is not its passphrase, or the key file was altered$/);
    process.env.BYZFS_PASSPHRASE_FILE = file('empty', '\nright\n');
    expect(open).toThrow(/empty: its first line is empty/);
    process.env.BYZFS_PASSPHRASE_FILE = join(directory, 'nowhere');
    expect(open).toThrow(/nowhere: the passphrase cannot be read: ENOENT$/);
    process.env.BYZFS_PASSPHRASE_FILE = file('open', 'right\n');
    chmodSync(process.env.BYZFS_PASSPHRASE_FILE, 0o644);
    expect(open).toThrow(/open: mode 0644 lets others than its owner use this passphrase: chmod 600 it$/);
    expect(() => newPassphrase('x')).toThrow(/open: mode 0644/);
  });

  it('is refused when it is torn, or asks for another cost than may be', () => {
    writeKeyFile(path, 'replica 2', seed, 'right');
    const text = readFileSync(path, 'utf8');
    const spoilt = [
      ...Array.from({ length: Math.floor(text.length / 9) }, (_, i) => text.slice(0, 9 * i)),
      ...[text.replace('scrypt 17', 'scrypt 21'), text.replace('scrypt 17', 'scrypt 9'), `${text}\n`],
    ];
    for (const each of spoilt) {
      writeFileSync(path, each);
      expect(() => readStoredKey(path)).toThrow(/x\.key: (not a key file|corrupt): [^\n]+$/);
    }
  });
});
