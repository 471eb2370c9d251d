/** `byzfs init`: a new cluster's directory. */
import { mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { CLUSTER_SIZES, Defaults, newCluster } from '../cluster/create.js';
import { systemCode } from '../cluster/errors.js';
import { formatCluster, MAX_RECOVERY_PERIOD_SECONDS } from '../cluster/file.js';
import { writeKeyFile } from '../cluster/keys.js';
import { CLUSTER_FILE, layoutOf } from '../cluster/layout.js';
import { ADMIN, DEFAULT_MOUNT_CLIENT } from '../cluster/registry.js';
import type { Cluster } from '../cluster/types.js';
import { Limits } from '../limits.js';
import { ALL_OPTIMIZATIONS, type Optimizations } from '../pbft/configuration.js';
import { CommandError, UsageError } from './errors.js';
import { asText, clientName, collect, integerIn, names, replicaCount } from './options.js';
import { createReplica } from './rooms.js';

const OPTIMIZATIONS = Object.keys(ALL_OPTIMIZATIONS) as (keyof Optimizations)[];

export interface InitOptions {
  replicas?: number;
  host?: string[];
  basePort?: number;
  client?: string[];
  durability?: Cluster['durability'];
  requestAuthentication?: Cluster['requestAuthentication'];
  recoveryPeriod?: number;
  encryption?: Cluster['encryption'];
  ownerSignatures?: number;
  without?: (keyof Optimizations)[];
}

/** Makes the initial state of one replica in a directory that does not exist yet. */
export type CreateReplica = (options: { cluster: Cluster; id: number; directory: string }) => Promise<void>;

export function register(program: Command): void {
  program
    .command('init')
    .description('make a new cluster: its description, keys, and the initial state of every replica')
    .argument('<dir>', 'directory to make; may exist if empty')
    .option('--replicas <n>', `${CLUSTER_SIZES.join(', ')} (default ${Defaults.replicas})`, replicaCount)
    .option('--host <host>', `of all replicas, or repeated, one for each (default ${Defaults.host})`, collect(asText))
    .option('--base-port <port>', `replica i listens on this + i (default ${Defaults.basePort})`, integerIn(1, 65_535))
    .option(
      '--client <name>',
      `a client to register, repeatable (default ${DEFAULT_MOUNT_CLIENT}); ${ADMIN} is always there`,
      collect(clientName),
    )
    .addOption(new Option('--durability <mode>', 'of votes').choices(['buffered', 'synced']).default('buffered'))
    .addOption(
      new Option('--request-authentication <how>', 'of requests').choices(['signature', 'mac']).default('signature'),
    )
    .option(
      '--recovery-period <seconds>',
      'each replica recovers once in that time, though nothing is known to be wrong with it (default 0: never)',
      integerIn(0, MAX_RECOVERY_PERIOD_SECONDS),
    )
    .addOption(
      new Option('--encryption <when>', 'of links: auto is of those that leave a machine')
        .choices(['auto', 'on', 'off'])
        .default('auto'),
    )
    .option(
      '--owner-signatures <k>',
      "of replicas' owners, that a change of clients and rights takes (default 0: the administrator alone decides)",
      integerIn(0, 3 * Limits.maxFaults + 1),
    )
    .option('--without <names>', `for measurements: do without ${OPTIMIZATIONS.join(', ')}`, names(OPTIMIZATIONS))
    .action(async (dir: string, options: InitOptions) => {
      const cluster = await initialise(resolve(dir), options);
      process.stdout.write(
        `${resolve(dir)}: ${cluster.replicas.length} replicas, f = ${cluster.f}, cluster ${cluster.id.toString('hex')}\n`,
      );
    });
}

/**
 * Makes a cluster directory, or nothing: all is written aside, then moved in place, the cluster file last.
 * @param directory absolute; absent or empty
 * @throws CommandError, UsageError
 */
export async function initialise(
  directory: string,
  options: InitOptions,
  create: CreateReplica = createReplica,
): Promise<Cluster> {
  const { cluster, replicaSeeds, clientSeeds } = newCluster(checked(options));
  const existed = makeEmpty(directory);
  const staging = layoutOf(join(directory, `.init-${process.pid}`));
  try {
    for (const made of [staging.directory, staging.keys, staging.clients, staging.run])
      mkdirSync(made, { mode: 0o700 });
    for (const [id, seed] of replicaSeeds.entries()) writeKeyFile(staging.replicaKey(id), `replica ${id}`, seed);
    for (const { id, name } of cluster.clients)
      writeKeyFile(staging.clientKey(name), `client ${name}`, clientSeeds[id]);
    for (const { id } of cluster.replicas) {
      await create({ cluster, id, directory: staging.replica(id) });
    }
    writeFileSync(staging.clusterFile, formatCluster(cluster), { mode: 0o644, flush: true });
    const parts = readdirSync(staging.directory).filter((name) => name !== CLUSTER_FILE);
    for (const name of [...parts, CLUSTER_FILE]) renameSync(join(staging.directory, name), join(directory, name));
    rmdirSync(staging.directory);
  } catch (error) {
    rmSync(existed ? staging.directory : directory, { recursive: true, force: true });
    throw new CommandError(`${directory} cannot be made a cluster directory: ${(error as Error).message}`);
  }
  return cluster;
}

function checked(options: InitOptions): Parameters<typeof newCluster>[0] {
  const replicas = options.replicas ?? Defaults.replicas;
  const hosts = options.host ?? [Defaults.host];
  const basePort = options.basePort ?? Defaults.basePort;
  if (hosts.length !== 1 && hosts.length !== replicas) {
    throw new UsageError(
      `--host is given ${hosts.length} times: give it once, or ${replicas} times, once for each replica`,
    );
  }
  if (basePort + replicas - 1 > 65_535) {
    throw new UsageError(
      `--base-port ${basePort} leaves no room for ${replicas} ports: ${65_536 - replicas} is the last that does`,
    );
  }
  if (replicas === 1 && (options.recoveryPeriod ?? 0) > 0) {
    throw new UsageError('--recovery-period: a single replica has nobody to recover from');
  }
  if ((options.ownerSignatures ?? 0) > replicas) {
    throw new UsageError(`--owner-signatures: ${replicas} at most: there is one owner a replica`);
  }
  return {
    replicas,
    hosts,
    basePort,
    clientNames: [...new Set([...(options.client ?? [DEFAULT_MOUNT_CLIENT]), ADMIN])],
    rootUid: process.getuid?.() ?? 0,
    rootGid: process.getgid?.() ?? 0,
    createdSeconds: Math.floor(Date.now() / 1000),
    durability: options.durability,
    requestAuthentication: options.requestAuthentication,
    recoveryPeriodSeconds: options.recoveryPeriod,
    encryption: options.encryption,
    ownerSignatures: options.ownerSignatures,
    without: options.without,
  };
}

/** @returns whether the directory was there already */
function makeEmpty(directory: string): boolean {
  try {
    const names = readdirSync(directory);
    if (names.includes(CLUSTER_FILE)) {
      throw new CommandError(`${directory} already is a cluster directory: give another, or use it as it is`);
    }
    if (names.length > 0) {
      throw new CommandError(`${directory} is not empty (${names[0]} is in it): give a new or an empty directory`);
    }
    return true;
  } catch (error) {
    if (error instanceof CommandError) throw error;
    if (systemCode(error) !== 'ENOENT')
      throw new CommandError(`${directory} cannot be used: ${(error as Error).message}`);
  }
  try {
    mkdirSync(directory, { recursive: true });
  } catch (error) {
    throw new CommandError(`${directory} cannot be made: ${(error as Error).message}`);
  }
  return false;
}
