/** State and journal of a replica that starts, whatever has become of them. */
import { setImmediate } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Cluster, Identity } from '../src/cluster/types.js';
import { Signables } from '../src/crypto/signables.js';
import { recreateReplica } from './create.js';
import { clearMarker, readMarker } from './damage-marker.js';
import { mayHaveLostPower } from './journal/boot.js';
import { JournalError } from './journal/errors.js';
import { Journal } from './journal/journal.js';
import { replicaFiles } from './layout.js';
import type { ScrubTally } from './scrubber.js';
import { isDamage } from './state/database.js';
import {
  createFileState,
  type FileState,
  type FileStateOptions,
  type MakeService,
  openFileState,
  StateError,
} from './state/index.js';
import { setAside } from './state/set-aside.js';
import { removeStaging } from './state/staging.js';

export interface OpenOptions {
  cluster: Cluster;
  identity: Identity;
  /** The replica's own directory, made by `createReplica`. */
  directory: string;
  log: Logger;
  /** Makes another service than the file service: the same at every replica of the cluster. */
  service?: MakeService;
  /** It lost its disk, or part of it: it makes what is missing, and says nothing until it is up to date (DESIGN 3.12). */
  rejoin?: boolean;
}

export interface OpenedFiles {
  state: FileState;
  journal: Journal;
  /** Of the rows that are found to be damaged. */
  tally: ScrubTally;
  /** Whether what was said may be forgotten: the machine went down without this replica having stopped. */
  lostPower: boolean;
  /** As the last run left it, or looked through since, or begun anew. */
  condition: 'unchecked' | 'sound' | 'new';
}

/**
 * Opens both. The journal must be whole: it is what this replica said. A state that is not is set aside, and begun anew:
 * with its journal the replica has forgotten nothing but what the others can bring it (DESIGN 3.12).
 * @throws JournalError, StateError: the replica must not start
 */
export async function openFiles(options: OpenOptions, tally: ScrubTally): Promise<OpenedFiles> {
  const { cluster, directory, rejoin = false } = options;
  if (rejoin) recreateReplica({ cluster, id: options.identity.id, directory });
  const lostPower = cluster.durability === 'buffered' && mayHaveLostPower(replicaFiles(directory).journal);
  // It was not flushed, and what is wrong with it shows only in use.
  if (lostPower) removeStaging(replicaFiles(directory).state);
  const journal = openJournal(options, lostPower || rejoin);
  try {
    return { journal, tally, lostPower, ...(await openState(options, journal, tally)) };
  } catch (error) {
    await journal.close();
    throw error;
  }
}

/** Closes both, with nothing written of a state that may not be what it should be: the journal has what it lacks. */
export async function closeFiles({ state, journal }: OpenedFiles, log: Logger): Promise<void> {
  await journal.close();
  state.distrust();
  try {
    state.close();
  } catch (error) {
    log.warn({ err: error }, 'a damaged state could not be closed');
  }
}

function openJournal({ cluster, identity, directory, log }: OpenOptions, lostPower: boolean): Journal {
  try {
    const journal = new Journal({
      directory: replicaFiles(directory).journal,
      owner: { clusterId: cluster.id, replica: identity.id },
      decoding: { n: cluster.replicas.length, signables: new Signables(cluster.id) },
      synced: cluster.durability === 'synced',
      lostPower,
    });
    if (journal.droppedBytes > 0) {
      log.info({ bytes: journal.droppedBytes }, 'dropped a record that a crash had cut short');
    }
    return journal;
  } catch (error) {
    if (!(error instanceof JournalError) || error.code === 'exists' || error.code === 'foreign') throw error;
    throw new JournalError(
      error.code,
      `${error.message}: replica ${identity.id} may have forgotten votes, and can only come back with --rejoin`,
    );
  }
}

type OpenedState = Pick<OpenedFiles, 'state' | 'condition'>;

async function openState(
  { cluster, directory, log, service }: OpenOptions,
  journal: Journal,
  tally: ScrubTally,
): Promise<OpenedState> {
  const files = replicaFiles(directory);
  const onDamage = (rows: number): void => {
    tally.damaged += rows;
  };
  const options = { path: files.state, cluster, durability: cluster.durability, service, onDamage };
  const anew = (why: string, rows: number): OpenedState => {
    const state = beginAnew(options, journal, why, log);
    clearMarker(files.damaged);
    onDamage(rows);
    return { state, condition: 'new' };
  };
  let state: FileState;
  try {
    state = openFileState(options);
  } catch (error) {
    if (!(error instanceof StateError) || (error.code !== 'corrupt' && error.code !== 'missing')) throw error;
    return anew(error.message, 1);
  }
  const marker = readMarker(files.damaged);
  if (marker === undefined) return { state, condition: 'unchecked' };
  log.warn({ why: marker.why }, 'looking through the whole state, since the last run of this replica failed');
  const damage = (await findDamage(state)) ?? (marker.certain ? { why: marker.why, rows: 1 } : undefined);
  if (damage === undefined) {
    clearMarker(files.damaged);
    log.info('the state is whole');
    return { state, condition: 'sound' };
  }
  state.distrust();
  state.close();
  return anew(`${files.state}: ${damage.why}`, damage.rows);
}

/** Looks at everything: SQLite's pages, then the rows. What cannot be counted is one row. */
async function findDamage(state: FileState): Promise<{ why: string; rows: number } | undefined> {
  try {
    const page = state.findDamagedPage();
    if (page !== undefined) return { why: page, rows: 1 };
    const scrub = state.scrub();
    while (!scrub.step()) await setImmediate();
    const { damaged, rows } = scrub;
    return damaged === 0 ? undefined : { why: `${damaged} of ${rows} rows are damaged`, rows: damaged };
  } catch (error) {
    if (isDamage(error)) return { why: (error as Error).message, rows: 1 };
    throw error;
  }
}

function beginAnew(options: FileStateOptions, journal: Journal, why: string, log: Logger): FileState {
  if (options.cluster.f === 0) {
    throw new StateError('corrupt', options.path, `${why}; there is no other replica to take it from`);
  }
  const kept = setAside(options.path);
  // What the journal speaks of may have been brought by a state transfer: what prepared there need not have committed.
  const state = createFileState(options, journal.lastSequence);
  log.error({ why, kept }, 'the state cannot be used: it is set aside, and this replica takes it from the others anew');
  return state;
}
