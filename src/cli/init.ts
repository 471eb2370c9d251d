/** `byzfs init`: a new cluster's directory. */
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { CLUSTER_SIZES, type ClusterOptions, Defaults, newCluster } from '../cluster/create.js';
import { systemCode } from '../cluster/errors.js';
import { MAX_RECOVERY_PERIOD_SECONDS } from '../cluster/file.js';
import { writeKeyFile } from '../cluster/keys.js';
import { CLUSTER_FILE } from '../cluster/layout.js';
import { newPassphrase } from '../cluster/passphrase.js';
import { ADMIN, DEFAULT_MOUNT_CLIENT } from '../cluster/registry.js';
import type { Cluster } from '../cluster/types.js';
import { Limits } from '../limits.js';
import { ALL_OPTIMIZATIONS, type Optimizations } from '../pbft/configuration.js';
import { userAndGroup } from './client/rights-options.js';
import { CommandError, UsageError } from './errors.js';
import { joinCluster, makeCard } from './init/cards.js';
import { type CreateReplica, place } from './init/placing.js';
import { asText, clientName, collect, integerIn, names, replicaCount } from './options.js';
import { createReplica } from './rooms.js';

const OPTIMIZATIONS = Object.keys(ALL_OPTIMIZATIONS) as (keyof Optimizations)[];

export interface InitOptions {
  replicas?: number;
  host?: string[];
  basePort?: number;
  client?: string[];
  encrypt?: boolean;
  rootOwner?: { uid: number; gid: number };
  durability?: Cluster['durability'];
  requestAuthentication?: Cluster['requestAuthentication'];
  recoveryPeriod?: number;
  encryption?: Cluster['encryption'];
  ownerSignatures?: number;
  without?: (keyof Optimizations)[];
}

interface Given extends InitOptions {
  card?: string;
  clientCard?: string;
  port?: number;
  cards?: string[];
}

const EXAMPLES = `
Examples:
  byzfs init DIR                                      four replicas on this machine
  byzfs init DIR --replicas 7 --host 10.0.0.1 ...     all keys are made here: to be trusted with them

Four owners, each on a machine of their own; only the cards travel:
  byzfs init DIR --card anna --host a.example.org     makes a key, and DIR/anna.card for the others
  byzfs init DIR --client-card admin                  whoever administers the cluster
  byzfs init DIR --cards *.card                       all cards, in any order: the same cluster file everywhere
Then compare the digest that each prints, by telephone: it is the cluster's identity.
`;

export function register(program: Command): void {
  program
    .command('init')
    .description('make a new cluster, or this machine a member of one: description, keys, initial state of replicas')
    .argument('<dir>', 'directory to make; may exist if empty')
    .option('--card <name>', 'of a replica: make its key here, and DIR/NAME.card for the others', clientName)
    .option('--client-card <name>', 'likewise of a client', clientName)
    .option('--cards <files...>', 'cards of all replicas and clients: make the cluster file from them')
    .option('--replicas <n>', `${CLUSTER_SIZES.join(', ')} (default ${Defaults.replicas})`, replicaCount)
    .option('--host <host>', `of all replicas, or repeated, one for each (default ${Defaults.host})`, collect(asText))
    .option('--base-port <port>', `replica i listens on this + i (default ${Defaults.basePort})`, integerIn(1, 65_535))
    .option('--port <port>', `with --card: where it listens (default ${Defaults.basePort})`, integerIn(1, 65_535))
    .option(
      '--client <name>',
      `a client to register, repeatable (default ${DEFAULT_MOUNT_CLIENT}); ${ADMIN} is always there`,
      collect(clientName),
    )
    .option('--encrypt', 'the keys that are made, with a passphrase')
    .option(
      '--root-owner <uid:gid>',
      'of the root directory (default: who makes the cluster; with --cards 0:0)',
      userAndGroup,
    )
    .addOption(new Option('--durability <mode>', 'of votes (default buffered)').choices(['buffered', 'synced']))
    .addOption(
      new Option('--request-authentication <how>', 'of requests (default signature)').choices(['signature', 'mac']),
    )
    .option(
      '--recovery-period <seconds>',
      'each replica recovers once in that time, though nothing is known to be wrong with it (default 0: never)',
      integerIn(0, MAX_RECOVERY_PERIOD_SECONDS),
    )
    .addOption(
      new Option('--encryption <when>', 'of links (default auto: of those that leave a machine)').choices([
        ...['auto', 'on', 'off'],
      ]),
    )
    .option(
      '--owner-signatures <k>',
      "of replicas' owners, that a change of clients and rights takes (default 0: the administrator alone decides)",
      integerIn(0, 3 * Limits.maxFaults + 1),
    )
    .option('--without <names>', `for measurements: do without ${OPTIMIZATIONS.join(', ')}`, names(OPTIMIZATIONS))
    .addHelpText('after', EXAMPLES)
    .action(async (dir: string, given: Given) => init(resolve(dir), given));
}

const CARD_OPTIONS = ['card', 'clientCard', 'host', 'port', 'encrypt'] as const;
const JOIN_OPTIONS = [
  ...['cards', 'rootOwner', 'durability', 'requestAuthentication', 'recoveryPeriod', 'encryption', 'ownerSignatures'],
  'without',
] as const;

async function init(directory: string, given: Given): Promise<void> {
  if (given.card !== undefined || given.clientCard !== undefined) return makeCards(directory, given);
  const joined = given.cards !== undefined;
  if (joined) requireOnly('--cards', given, JOIN_OPTIONS);
  else if (given.port !== undefined) throw new UsageError('--port is for --card: give --base-port');
  const cluster = joined
    ? await joinCluster(directory, given.cards!, agreed(given, { uid: 0, gid: 0 }), createReplica)
    : await initialise(directory, given);
  const { replicas, f, id } = cluster;
  print(`${directory}: ${replicas.length} replicas, f = ${f}, cluster ${id.toString('hex')}`);
  if (!joined) return;
  for (const { id, host, port } of replicas) print(`  replica ${id}  ${host}:${port}`);
  print('every owner must see the same cluster digest before the replicas are started: compare all of it');
}

const print = (line: string): void => void process.stdout.write(`${line}\n`);

function makeCards(directory: string, given: Given): void {
  const { card, clientCard, host = [], port = Defaults.basePort, encrypt = false } = given;
  requireOnly(card === undefined ? '--client-card' : '--card', given, CARD_OPTIONS);
  if (card === undefined && (host.length > 0 || given.port !== undefined)) {
    throw new UsageError('--host and --port are of replicas: give --card NAME');
  }
  if (card !== undefined && host.length !== 1) throw new UsageError('--card: give its --host, once');
  const made: string[] = [];
  if (card !== undefined) made.push(makeCard(directory, { role: 'replica', name: card, host: host[0], port, encrypt }));
  if (clientCard !== undefined) made.push(makeCard(directory, { role: 'client', name: clientCard, encrypt }));
  for (const file of made) print(`${file}: give it to all other members; the key stays here`);
}

/** @throws UsageError: something else is given too */
function requireOnly(what: string, given: Given, allowed: readonly string[]): void {
  const other = Object.keys(given).find((name) => !allowed.includes(name));
  if (other === undefined) return;
  throw new UsageError(`--${other.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)} has no meaning with ${what}`);
}

/**
 * Makes a cluster directory, or nothing.
 * @param directory absolute; absent or empty
 * @throws CommandError, UsageError
 */
export async function initialise(
  directory: string,
  options: InitOptions,
  create: CreateReplica = createReplica,
): Promise<Cluster> {
  const { cluster, replicaSeeds, clientSeeds } = newCluster(checked(options));
  const passphrase = options.encrypt ? newPassphrase(directory) : undefined;
  const existed = makeEmpty(directory);
  try {
    await place(directory, cluster, async (staging) => {
      for (const made of [staging.keys, staging.clients, staging.run]) mkdirSync(made, { mode: 0o700 });
      for (const [id, seed] of replicaSeeds.entries()) {
        writeKeyFile(staging.replicaKey(id), `replica ${id}`, seed, passphrase);
      }
      for (const { id, name } of cluster.clients) {
        writeKeyFile(staging.clientKey(name), `client ${name}`, clientSeeds[id], passphrase);
      }
      for (const { id } of cluster.replicas) await create({ cluster, id, directory: staging.replica(id) });
    });
  } catch (error) {
    if (!existed) rmSync(directory, { recursive: true, force: true });
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
    createdSeconds: Math.floor(Date.now() / 1000),
    ...agreed(options, { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }),
  };
}

function agreed(options: InitOptions, owner: { uid: number; gid: number }): Omit<ClusterOptions, 'createdSeconds'> {
  const { rootOwner = owner, durability, requestAuthentication, without } = options;
  return {
    rootUid: rootOwner.uid,
    rootGid: rootOwner.gid,
    durability,
    requestAuthentication,
    recoveryPeriodSeconds: options.recoveryPeriod,
    encryption: options.encryption,
    ownerSignatures: options.ownerSignatures,
    without,
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
