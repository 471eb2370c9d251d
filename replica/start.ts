/** The life of a replica process: a server, or one after the other where a state was damaged. */
import { roomForClients } from '../src/net/listener.js';
import { writeMarker } from './damage-marker.js';
import { replicaFiles } from './layout.js';
import { closeFiles, type OpenedFiles, openFiles } from './open.js';
import { ScrubTally } from './scrubber.js';
import { ReplicaServer, type ReplicaServerOptions } from './server.js';
import { isDamage } from './state/database.js';
import { StagingError } from './state/errors.js';

/**
 * Starts a replica from what its directory holds.
 * @throws StateError, JournalError: state or journal cannot be used; Error: too few descriptors; system errors of
 * listening, with their code
 */
export async function startReplica(options: ReplicaServerOptions): Promise<ReplicaServer> {
  // Before anything is opened: it is nothing that is wrong with the state.
  roomForClients(options.cluster.replicas.length);
  return begin(options, await openFiles(options, new ScrubTally()));
}

/**
 * Another server for one that has failed, if it was the state that failed and is begun anew, or what it was gathering of
 * another. If not, what failed is something else, which another server would not do better: undefined.
 */
export async function replaceReplica(failed: ReplicaServer, why: Error): Promise<ReplicaServer | undefined> {
  const { options } = failed;
  await failed.abandon();
  const files = await openFiles(options, failed.files.tally);
  if (files.condition === 'new' || why instanceof StagingError) return begin(options, files);
  await closeFiles(files, options.log);
  return undefined;
}

async function begin(options: ReplicaServerOptions, files: OpenedFiles): Promise<ReplicaServer> {
  let server: ReplicaServer;
  try {
    server = new ReplicaServer(options, files);
  } catch (error) {
    const { log, directory } = options;
    log.error({ err: error }, 'what the journal holds could not be executed on this state');
    writeMarker(replicaFiles(directory).damaged, { certain: isDamage(error), why: (error as Error).message });
    await closeFiles(files, log);
    if (files.condition !== 'unchecked') throw error;
    // Looks through the state first.
    return begin(options, await openFiles(options, files.tally));
  }
  await server.listen();
  return server;
}
