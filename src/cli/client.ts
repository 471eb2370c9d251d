/** `byzfs client`: who may speak to the service, and what each may do. */

import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import type { Command } from 'commander';
import { parseCard } from '../cluster/card.js';
import { writeClientRecord } from '../cluster/client-record.js';
import { loadCluster } from '../cluster/file.js';
import { loadReplicaIdentity } from '../cluster/identity.js';
import { readStoredKey, writeKeyFile } from '../cluster/keys.js';
import { layoutOf } from '../cluster/layout.js';
import { checkPublicKey, SEED_BYTES, SigningKey } from '../crypto/ed25519.js';
import type { Change, RegisteredClient } from '../fileservice/clients.js';
import { RightsLimits } from '../fileservice/rights.js';
import { Limits } from '../limits.js';
import { type Administration, administer, type Listing } from './client/administration.js';
import { describeAll, describeChange, describeOne, toJson } from './client/describe.js';
import { checkSigned, readProposal, signProposal, writeProposal } from './client/proposal.js';
import { byteCount, idRanges, type RightsOptions, rightsOf, userAndGroup } from './client/rights-options.js';
import { canonicalDirectory } from './directory.js';
import { CommandError, UsageError } from './errors.js';
import { clientName, integerIn } from './options.js';

interface Output {
  json?: boolean;
}

interface Proposing {
  proposal?: string;
}

interface AddOptions extends RightsOptions, Output, Proposing {
  key?: string;
}

const EXAMPLES = `
Examples:
  byzfs client add DIR laptop --uids 1000 --gids 1000          may speak for user 1000 only
  byzfs client add DIR backup --read-only --root-squash        reads what everybody may read
  byzfs client add DIR build --subtree /build --quota 20G      has the directory /build as its root
  byzfs client add DIR phone --key phone.card                  its key is on its machine: byzfs init DIR --client-card phone
  byzfs client list DIR
  byzfs client show DIR laptop --json
  byzfs client revoke DIR laptop                               ends its sessions and locks, for good

Where the cluster wants owners' signatures (init --owner-signatures 2):
  byzfs client revoke DIR laptop --proposal change.json
  byzfs client sign DIR change.json --id 0                     each on the machine that has the key
  byzfs client sign DIR change.json --id 3
  byzfs client apply DIR change.json
`;

export function register(program: Command): void {
  const client = program
    .command('client')
    .description('who may speak to the service, and with which rights; every replica enforces them')
    .addHelpText('afterAll', EXAMPLES);
  const verb = (name: string, what: string): Command =>
    client.command(name).description(what).argument('<dir>', 'cluster directory');
  const json = 'for machines';
  const proposal = "for owners' signatures: write the change to this file instead of making it";

  verb('add', 'register a client; without --key its key is made in DIR/clients')
    .argument('<name>', 'of the new client', clientName)
    .option(
      '--key <file>',
      'its card (init --client-card), its public key in 43 base64url characters, or a key file of byzfs',
    )
    .option('--uids <ranges>', 'users it may speak for, as 1000-1999,5 (default any)', idRanges)
    .option('--gids <ranges>', 'groups, likewise', idRanges)
    .option('--squash <uid:gid>', 'all its calls are made as this user, whoever it states', userAndGroup)
    .option('--root-squash [uid:gid]', 'those of root are, without a value as 65534:65534', userAndGroup)
    .option('--read-only', 'it changes nothing')
    .option('--subtree <path>', 'this directory is all that it sees')
    .option('--quota <bytes>', 'all that it makes may take, as 500M, 10G or 1T', byteCount)
    .option('--quota-inodes <n>', 'it may make', integerIn(1, 2 ** 40))
    .option('--rate <n>', 'calls a second, and as many at once; what is more waits', integerIn(1, RightsLimits.rate))
    .option('--proposal <file>', proposal)
    .option('--json', json)
    .action(async (dir: string, name: string, options: AddOptions) => add(canonicalDirectory(dir), name, options));
  verb('list', 'all clients, with their rights')
    .option('--json', json)
    .action(async (dir: string, options: Output) => {
      const { clients } = await administer(canonicalDirectory(dir), (administration) => administration.list());
      print(options.json ? `${JSON.stringify({ clients: clients.map(toJson) })}\n` : describeAll(clients));
    });
  verb('show', 'one client')
    .argument('<name>', 'of a client', clientName)
    .option('--json', json)
    .action(async (dir: string, name: string, options: Output) => {
      const listing = await administer(canonicalDirectory(dir), (administration) => administration.list());
      report(options, named(listing, name), describeOne);
    });
  verb('revoke', 'take all rights from a client, for good: its sessions, locks and leases end')
    .argument('<name>', 'of a client', clientName)
    .option('--proposal <file>', proposal)
    .option('--json', json)
    .action(async (dir: string, name: string, options: Output & Proposing) => {
      const change: Change = { kind: 'revoke', name };
      requireProposal(canonicalDirectory(dir), options);
      const revoked = await administer(canonicalDirectory(dir), (administration) =>
        proposeOrApply(administration, change, options),
      );
      if (revoked !== undefined) report(options, revoked, ({ id }) => `client ${id} ${name} is revoked\n`);
    });
  verb('sign', "sign a proposed change as a replica's owner, with its key in DIR/keys; nobody is asked")
    .argument('<file>', 'that --proposal made')
    .requiredOption('--id <n>', "whose key signs: that replica's", integerIn(0, 3 * Limits.maxFaults))
    .action((dir: string, file: string, { id }: { id: number }) => sign(canonicalDirectory(dir), file, id));
  verb('apply', 'make a proposed change that enough owners have signed')
    .argument('<file>', 'that --proposal made')
    .option('--json', json)
    .action(async (dir: string, file: string, options: Output) => apply(canonicalDirectory(dir), file, options));
}

const print = (text: string): void => void process.stdout.write(text);

function report({ json }: Output, client: RegisteredClient, describe: (client: RegisteredClient) => string): void {
  print(json ? `${JSON.stringify(toJson(client))}\n` : describe(client));
}

/** Who has the name now, or else who had it last. */
function named({ clients }: Listing, name: string): RegisteredClient {
  const all = clients.filter((client) => client.name === name);
  const found = all.find(({ revoked }) => revoked === undefined) ?? all.at(-1);
  if (found === undefined) throw new CommandError(`no client is named ${name}: see byzfs client list`);
  return found;
}

async function add(directory: string, name: string, options: AddOptions): Promise<void> {
  const layout = layoutOf(directory);
  // Before anything is made: a usage error is one of the command line alone.
  rightsOf(options, undefined);
  requireProposal(directory, options);
  const path = layout.clientKey(name);
  const made = options.key === undefined;
  if (made && existsSync(path)) {
    throw new CommandError(`${path} exists: register that key with --key ${path}, or move it away`);
  }
  const registered = await administer(directory, async (administration) => {
    const subtree = options.subtree === undefined ? undefined : await administration.subtree(options.subtree);
    const publicKey = options.key === undefined ? makeKey(path, name) : readPublicKey(options.key, name);
    const change: Change = { kind: 'register', name, publicKey, rights: rightsOf(options, subtree) };
    try {
      return await proposeOrApply(administration, change, options);
    } catch (error) {
      // It may have been registered where nobody answered: its key is kept then.
      if (made && error instanceof CommandError) rmSync(path, { force: true });
      throw error;
    }
  });
  if (registered !== undefined) finishAdding(directory, registered, options);
}

function makeKey(path: string, name: string): Buffer {
  const seed = randomBytes(SEED_BYTES);
  writeKeyFile(path, `client ${name}`, seed);
  return new SigningKey(seed).publicKey;
}

function readPublicKey(file: string, name: string): Buffer {
  let text: string;
  try {
    text = readFileSync(file, 'latin1').trim();
  } catch (error) {
    throw new CommandError(`${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
  if (/^byzfs-\w+-key\//.test(text)) return readStoredKey(file).publicKey;
  if (text.startsWith('{')) {
    const card = parseCard(text, file);
    if (card.role === 'client' && card.name === name) return card.publicKey;
    throw new CommandError(`${file}: the card of ${card.role} ${card.name}, not of client ${name}`);
  }
  const key = Buffer.from(/^[A-Za-z0-9_-]{43}$/.test(text) ? text : '', 'base64url');
  const wrong = checkPublicKey(key);
  if (wrong !== null)
    throw new CommandError(`${file}: ${wrong}: a card, 43 base64url characters, or a key file expected`);
  return key;
}

/** @throws UsageError */
function requireProposal(directory: string, { proposal }: Proposing): void {
  const { ownerSignatures } = loadCluster(directory);
  if (proposal !== undefined || ownerSignatures === 0) return;
  throw new UsageError(`${ownerSignatures} owners have to sign changes of this cluster: give --proposal FILE`);
}

/** @returns undefined: it was proposed only */
async function proposeOrApply(
  administration: Administration,
  change: Change,
  { proposal }: Proposing,
): Promise<RegisteredClient | undefined> {
  const { cluster } = administration;
  if (proposal === undefined) return administration.applyNow(change);
  const { version } = await administration.list();
  writeProposal(proposal, cluster, { version, change, approvals: [] });
  print(`${proposal}: ${cluster.ownerSignatures} owners have to sign it with byzfs client sign\n`);
  return undefined;
}

/** The client's process needs its number beside its key. */
function finishAdding(directory: string, client: RegisteredClient, options: Output): void {
  const { id, name } = client;
  const layout = layoutOf(directory);
  const record = layout.clientRecord(name);
  writeClientRecord(record, loadCluster(directory).id, client);
  const keyFile = layout.clientKey(name);
  const needed = existsSync(keyFile) ? `${record} and ${keyFile}` : `${record} and its key as ${keyFile}`;
  report(options, client, () => `client ${name} is registered as number ${id}; its machine needs ${needed}\n`);
}

function sign(directory: string, file: string, id: number): void {
  const cluster = loadCluster(directory);
  const proposal = readProposal(file, cluster);
  print(describeChange(proposal.change));
  const signed = signProposal(cluster, proposal, loadReplicaIdentity(directory, cluster, id));
  writeProposal(file, cluster, signed);
  print(`${file}: signed by ${signed.approvals.length} of ${cluster.ownerSignatures} owners that have to\n`);
}

async function apply(directory: string, file: string, options: Output): Promise<void> {
  const cluster = loadCluster(directory);
  const proposal = readProposal(file, cluster);
  checkSigned(cluster, proposal);
  const { version, change, approvals } = proposal;
  const changed = await administer(directory, (administration) => administration.apply(version, change, approvals));
  if (change.kind === 'register') finishAdding(directory, changed, options);
  else report(options, changed, ({ id, name }) => `client ${id} ${name} is revoked\n`);
}
