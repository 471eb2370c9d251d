/**
 * A cluster of several owners: each makes an identity and a card of it on a machine of its own, and then the cluster
 * file from all cards. No private key leaves the machine that it was made on, and nobody has to be trusted to put the
 * file together.
 */
import { existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { assemble, type GivenCard } from '../../cluster/assembly.js';
import { type Card, formatCard, parseCard, readCard } from '../../cluster/card.js';
import { type ClusterOptions, generateSeed } from '../../cluster/create.js';
import { ClusterError } from '../../cluster/errors.js';
import { formatCluster, parseCluster } from '../../cluster/file.js';
import { readStoredKey, seedOf, writeKeyFile } from '../../cluster/keys.js';
import { layoutOf } from '../../cluster/layout.js';
import { newPassphrase } from '../../cluster/passphrase.js';
import type { Cluster } from '../../cluster/types.js';
import { SigningKey } from '../../crypto/ed25519.js';
import { CommandError, oneLine } from '../errors.js';
import { type CreateReplica, place } from './placing.js';

export type CardRequest =
  | { role: 'replica'; name: string; host: string; port: number; encrypt: boolean }
  | { role: 'client'; name: string; encrypt: boolean };

/**
 * Makes an identity, unless one of that name is there: then its card anew, for another address.
 * @param directory absolute
 * @returns where the card is
 * @throws CommandError, ClusterError
 */
export function makeCard(directory: string, { encrypt, ...member }: CardRequest): string {
  const layout = layoutOf(directory);
  if (existsSync(layout.clusterFile)) {
    throw new CommandError(`${directory} is a cluster directory already: its members and addresses are agreed`);
  }
  const keyFile = member.role === 'replica' ? layout.cardKey(member.name) : layout.clientKey(member.name);
  const cardFile = join(directory, `${member.name}.card`);
  if (existsSync(cardFile) && !existsSync(keyFile)) {
    throw new CommandError(`${cardFile} is the card of another: give another name`);
  }
  const seed = existsSync(keyFile) ? seedOf(keyFile, readStoredKey(keyFile)) : generateSeed();
  const { publicKey } = new SigningKey(seed);
  const card: Card = { ...member, createdSeconds: Math.floor(Date.now() / 1000), publicKey };
  const text = formatCard(card, seed);
  // What others would refuse is refused here.
  parseCard(text, cardFile);
  for (const made of [layout.keys, layout.clients]) mkdirSync(made, { recursive: true, mode: 0o700 });
  if (!existsSync(keyFile)) {
    writeKeyFile(keyFile, `${member.role} ${member.name}`, seed, encrypt ? newPassphrase(keyFile) : undefined);
  }
  writeFileSync(`${cardFile}.new`, text, { mode: 0o644, flush: true });
  renameSync(`${cardFile}.new`, cardFile);
  return cardFile;
}

interface OwnKey {
  file: string;
  publicKey: Buffer;
}

/** Keys that were made here. */
function ownKeys(directory: string): OwnKey[] {
  const { keys, clients } = layoutOf(directory);
  return [keys, clients].filter(existsSync).flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.endsWith('.key'))
      .map((name) => join(folder, name))
      .map((file) => ({ file, publicKey: readStoredKey(file).publicKey })),
  );
}

/** Where the cluster's members have the key: under their number or name. */
function placeOf(directory: string, cluster: Cluster, { file, publicKey }: OwnKey): string {
  const layout = layoutOf(directory);
  const replica = cluster.replicas.find((entry) => entry.publicKey.equals(publicKey));
  if (replica !== undefined) return layout.replicaKey(replica.id);
  const client = cluster.clients.find((entry) => entry.publicKey.equals(publicKey));
  if (client !== undefined) return layout.clientKey(client.name);
  throw new CommandError(
    `${file}: its card is not among those given: all members need the same cards, and this machine's is one of them`,
  );
}

/**
 * Makes `directory`, which has the keys of this machine, the cluster directory of the members whose cards are given.
 * @param directory absolute
 * @throws CommandError, ClusterError
 */
export async function joinCluster(
  directory: string,
  files: readonly string[],
  options: Omit<ClusterOptions, 'createdSeconds'>,
  create: CreateReplica,
): Promise<Cluster> {
  const given: GivenCard[] = files.map((file) => ({ file, card: readCard(file) }));
  const assembled = formatCluster(assemble(given, options));
  // What others would refuse is refused here.
  const cluster = parseCluster(assembled, 'these cards and options');
  const layout = layoutOf(directory);
  if (existsSync(layout.clusterFile)) {
    throw new CommandError(`${directory} already is a cluster directory: byzfs status and doctor show its digest`);
  }
  const own = ownKeys(directory);
  if (own.length === 0) {
    throw new CommandError(
      `${directory} has no identity: make one with byzfs init ${directory} --card or --client-card`,
    );
  }
  const places = own.map((key) => ({ from: key.file, to: placeOf(directory, cluster, key) }));
  const replicas = cluster.replicas.filter(({ id }) => places.some(({ to }) => to === layout.replicaKey(id)));
  for (const { id } of replicas) {
    if (!existsSync(layout.replica(id))) continue;
    throw new CommandError(
      `${layout.replica(id)} is there without a ${basename(layout.clusterFile)}: put that back, or remove what an attempt that was cut short has left`,
    );
  }
  const taken = places.find(({ from, to }) => from !== to && existsSync(to));
  if (taken !== undefined) {
    throw new CommandError(`${taken.from} has to become ${taken.to}, which is there: move one of them away`);
  }
  try {
    for (const { from, to } of places) renameSync(from, to);
    await place(directory, cluster, async (staging) => {
      if (!existsSync(layout.run)) mkdirSync(staging.run, { mode: 0o700 });
      for (const { id } of replicas) await create({ cluster, id, directory: staging.replica(id) });
    });
  } catch (error) {
    if (error instanceof ClusterError) throw error;
    throw new CommandError(`${directory} cannot be made a cluster directory: ${oneLine(error)}`);
  }
  return cluster;
}
