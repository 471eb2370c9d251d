/** A file state made, or found: which may not be what was left there. */
import { statSync } from 'node:fs';
import Sqlite, { type Database } from 'better-sqlite3';
import type { Digest, SequenceNumber } from '../../src/pbft/messages.js';
import { createDatabase, createInMemory, explained, type FileStateOptions, openDatabase } from './database.js';
import { StateError } from './errors.js';
import { FileState } from './file-state.js';
import { initialClient, initialHeader, initialRoot } from './initial.js';
import { Store } from './store.js';

/** A file up to this size has all its rows checked against its digest when it is opened: well under a second. */
const CHECKED_AT_OPEN_BYTES = 8 * 1024 * 1024;

/**
 * Makes a new database with the agreed initial state.
 * @param elsewhere this replica is not to vouch for what was executed up to there: see `TransferTarget.installed`
 * @throws StateError if there is a state, or it cannot be written
 */
export function createFileState(options: FileStateOptions, elsewhere: SequenceNumber = 0): FileState {
  createDatabase(options, (db) => fill(db, options, elsewhere));
  return openFileState(options);
}

/** Digest of the agreed initial state, whatever has become of it since. */
export function initialDigest(options: FileStateOptions): Digest {
  const db = createInMemory(options);
  try {
    return fill(db, options, 0);
  } finally {
    db.close();
  }
}

function fill(db: Database, options: FileStateOptions, elsewhere: SequenceNumber): Digest {
  const store = makeStore(db, options);
  const root = initialRoot(options.cluster);
  store.beginTransaction();
  store.inodes.insert(root.ino, root);
  for (const client of options.cluster.clients) store.clients.insert(client.id, initialClient(options.cluster, client));
  store.header.insert(0, initialHeader(options.cluster));
  store.commitBatch();
  store.header.setInstalled(elsewhere);
  const digest = store.checkpoint();
  store.commit();
  return digest;
}

/** Opens an existing one: it never starts empty. @throws StateError */
export function openFileState(options: FileStateOptions): FileState {
  const { path } = options;
  const db = openDatabase(options);
  try {
    return explained(path, () => read(path, () => makeState(db, options)));
  } catch (error) {
    db.close();
    throw error;
  }
}

function makeState(db: Database, options: FileStateOptions): FileState {
  const { path } = options;
  const store = makeStore(db, options);
  const { readable } = store.checkpoints;
  if (readable.length === 0) throw new StateError('corrupt', path, 'it has no checkpoint');
  if (readable.at(-1)! > store.header.row.lastExecuted) {
    throw new StateError('corrupt', path, 'it has a checkpoint of what it has not executed');
  }
  if (statSync(path).size <= CHECKED_AT_OPEN_BYTES) {
    const scrub = store.scrub();
    while (!scrub.step());
    if (scrub.damaged > 0) throw new StateError('corrupt', path, 'its rows do not have the digests it recorded');
  }
  return new FileState(db, store, options, () => initialDigest(options));
}

/** What is read here was written by this program, if the disk has kept it. */
function read<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof StateError || error instanceof Sqlite.SqliteError) throw error;
    throw new StateError('corrupt', path, `it has what was never written to it: ${(error as Error).message}`);
  }
}

const makeStore = (db: Database, { cluster }: FileStateOptions): Store =>
  new Store(db, cluster.id, { bytes: cluster.capacityBytes, inodes: cluster.capacityInodes });
