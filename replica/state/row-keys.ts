/**
 * Where rows stand in the partition tree: table, then the primary key in big-endian integers, then zeros. Rows that are
 * made together stand together, and so do those of a file: measured at 10⁵ rows of which 5,000 changed, a tenth of the
 * nodes is touched that keys without order would touch. Only names enter by their digest; of its 184 bits, 2^92 hashes
 * would find two names of one directory that agree.
 */

import { sha256Text } from '../../src/crypto/digests.js';
import { KEY_BYTES, type Octets } from '../../src/merkle/index.js';
import { Table } from './rows.js';

const NAME_AT = 9;
export const NAME_DIGEST_BYTES = KEY_BYTES - NAME_AT;
const TWO_TO_32 = 0x1_0000_0000;

const scratch = Buffer.alloc(KEY_BYTES);

function begin(table: number): void {
  scratch.fill(0);
  scratch[0] = table;
}

function u64(value: number, at: number): void {
  scratch.writeUInt32BE(Math.floor(value / TWO_TO_32), at);
  scratch.writeUInt32BE(value % TWO_TO_32, at + 4);
}

const finish = (): Octets => scratch.toString('latin1');

function keyOfNumbers(table: number, first: number, second: number): Octets {
  begin(table);
  u64(first, 1);
  u64(second, 9);
  return finish();
}

export const HEADER_KEY: Octets = keyOfNumbers(Table.Header, 0, 0);
export const inodeKey = (ino: number): Octets => keyOfNumbers(Table.Inode, ino, 0);
export const targetKey = (ino: number): Octets => keyOfNumbers(Table.Target, ino, 0);
export const lockKey = (ino: number): Octets => keyOfNumbers(Table.Lock, ino, 0);
export const blockKey = (fork: number, position: number): Octets => keyOfNumbers(Table.Block, fork, position);
export const discardedKey = (fork: number): Octets => keyOfNumbers(Table.Discarded, fork, 0);

/** What stands for a name in its entry's key, and orders a directory's entries in the database. */
export const nameDigest = (name: Uint8Array): Octets => sha256Text(name).slice(0, NAME_DIGEST_BYTES);

function keyOfName(table: number, ino: number, digest: Octets): Octets {
  begin(table);
  u64(ino, 1);
  scratch.write(digest, NAME_AT, 'latin1');
  return finish();
}

export const dentryKey = (parent: number, digest: Octets): Octets => keyOfName(Table.Dentry, parent, digest);
export const xattrKey = (ino: number, digest: Octets): Octets => keyOfName(Table.Xattr, ino, digest);

/** What stands for a record's key. */
export const recordDigest = (key: Uint8Array): Octets => sha256Text(key).slice(0, KEY_BYTES - 1);

export function recordKey(digest: Octets): Octets {
  begin(Table.Record);
  scratch.write(digest, 1, 'latin1');
  return finish();
}

export const recordDigestIn = (key: Octets): Octets => key.slice(1);

/** Key of a client's row, of its session's, or of something with a number in the session. */
export function clientKey(table: number, client: number, instance = 0, number = 0): Octets {
  begin(table);
  scratch.writeUInt32BE(client, 1);
  u64(instance, 5);
  u64(number, 13);
  return finish();
}

export const registeredKey = (client: number): Octets => clientKey(Table.Client, client);

export const tableOf = (key: Octets): number => key.charCodeAt(0);

/** The integer of 4 or 8 bytes at that place. In a key that a peer made up it may be above 2^53: no row has such. */
export function integerAt(key: Octets, at: number, bytes: 4 | 8): number {
  let value = 0;
  for (let i = at; i < at + bytes; i++) value = value * 256 + key.charCodeAt(i);
  return value;
}

export const nameDigestIn = (key: Octets): Octets => key.slice(NAME_AT);
