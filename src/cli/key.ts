/** `byzfs key`: the private keys of this machine, and their passphrases. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Command } from 'commander';
import { readStoredKey, rewriteKeyFile, type StoredKey, seedOf } from '../cluster/keys.js';
import { layoutOf } from '../cluster/layout.js';
import { newPassphrase } from '../cluster/passphrase.js';
import { canonicalDirectory } from './directory.js';
import { CommandError } from './errors.js';
import { table } from './table.js';

const EXAMPLES = `
Examples:
  byzfs key list DIR                                           what there is, and what is encrypted
  byzfs key encrypt DIR                                        all keys; asks for a passphrase
  byzfs key encrypt DIR replica-2 --passphrase-file FILE
  byzfs key change DIR admin --new-passphrase-file FILE
  byzfs key decrypt DIR mount                                  for a machine that has to start by itself

A process asks for the passphrase at the terminal, or finds it in --passphrase-file FILE, in the file that
BYZFS_PASSPHRASE_FILE names, or in the systemd credential byzfs-passphrase.
`;

export function register(program: Command): void {
  const key = program
    .command('key')
    .description('the private keys of this machine: encrypt them with a passphrase, or not')
    .addHelpText('afterAll', EXAMPLES);
  const verb = (name: string, what: string): Command =>
    key.command(name).description(what).argument('<dir>', 'cluster directory, or one with a card');
  const some = 'as replica-2 or admin (default: all that are here)';

  verb('list', 'which keys are here')
    .option('--json', 'for machines')
    .action((dir: string, { json }: { json?: boolean }) => list(canonicalDirectory(dir), json ?? false));
  verb('encrypt', 'with a passphrase')
    .argument('[keys...]', some)
    .action((dir: string, names: string[]) => {
      const plain = chosen(dir, names).filter(({ path, stored }) => is(false, path, stored));
      if (plain.length === 0) return;
      rewrite(plain, newPassphrase(dir));
    });
  verb('decrypt', 'keep the key as it is, for its owner only to read')
    .argument('[keys...]', some)
    .action((dir: string, names: string[]) => {
      rewrite(chosen(dir, names).filter(({ path, stored }) => is(true, path, stored)));
    });
  verb('change', 'the passphrase')
    .argument('[keys...]', some)
    .option('--new-passphrase-file <file>', 'its first line is the new one (default: the terminal is asked)')
    .action((dir: string, names: string[], { newPassphraseFile }: { newPassphraseFile?: string }) => {
      const sealed = chosen(dir, names).filter(({ path, stored }) => is(true, path, stored));
      if (sealed.length === 0) return;
      // The old one first: who does not know it is not asked for another.
      for (const { path, stored } of sealed) seedOf(path, stored);
      rewrite(sealed, newPassphrase(dir, newPassphraseFile ?? null));
    });
}

interface Key {
  path: string;
  /** As on the command line. */
  name: string;
  stored: StoredKey;
}

const print = (line: string): void => void process.stdout.write(`${line}\n`);

function keysIn(directory: string): Omit<Key, 'stored'>[] {
  const { keys, clients } = layoutOf(directory);
  return [keys, clients].filter(existsSync).flatMap((folder) =>
    readdirSync(folder)
      .filter((file) => file.endsWith('.key'))
      .map((file) => ({ path: join(folder, file), name: basename(file, '.key') })),
  );
}

function chosen(dir: string, names: readonly string[]): Key[] {
  const directory = canonicalDirectory(dir);
  const all = keysIn(directory);
  if (all.length === 0) throw new CommandError(`${directory} has no keys`);
  const unknown = names.find((name) => !all.some((key) => key.name === name));
  if (unknown !== undefined) {
    throw new CommandError(`${directory} has no key ${unknown}: it has ${all.map(({ name }) => name).join(', ')}`);
  }
  return all
    .filter(({ name }) => names.length === 0 || names.includes(name))
    .map((key) => ({ ...key, stored: readStoredKey(key.path) }));
}

/** Whether a key is encrypted, or not, as it has to be; if it is not so that is said. */
function is(encrypted: boolean, path: string, { sealed }: StoredKey): boolean {
  if ((sealed !== undefined) === encrypted) return true;
  print(`${path}: ${encrypted ? 'not encrypted' : 'encrypted already'}`);
  return false;
}

function rewrite(keys: readonly Key[], passphrase?: string): void {
  // All are opened before any is written.
  const seeds = keys.map(({ path, stored }) => seedOf(path, stored));
  for (const [i, { path, stored }] of keys.entries()) {
    rewriteKeyFile(path, stored.owner, seeds[i], passphrase);
    print(`${path}: ${passphrase === undefined ? 'not encrypted any more' : 'encrypted'}`);
  }
}

function list(directory: string, json: boolean): void {
  const keys = keysIn(directory).map(({ path, name }) => {
    const { owner, publicKey, sealed } = readStoredKey(path);
    const mode = (statSync(path).mode & 0o777).toString(8).padStart(4, '0');
    return { name, owner, publicKey: publicKey.toString('base64url'), encrypted: sealed !== undefined, mode };
  });
  if (json) return print(JSON.stringify({ keys }));
  const rows = keys.map(({ name, owner, publicKey, encrypted }) => [name, owner, publicKey, encrypted ? 'yes' : 'no']);
  process.stdout.write(table(['key', 'made for', 'public key', 'encrypted'], rows));
}
