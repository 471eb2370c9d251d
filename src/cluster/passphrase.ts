/**
 * Where the passphrase of an encrypted key comes from: who started this process, a file, a systemd credential, or the
 * terminal. Never an argument or the value of a variable: those can be read by others.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, fstatSync, openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { ClusterError, systemCode } from './errors.js';
import { requirePrivate } from './private-file.js';
import { type SealedKey, unseal } from './sealed-key.js';

/** Names a file whose first line is the passphrase. */
export const PASSPHRASE_FILE_VARIABLE = 'BYZFS_PASSPHRASE_FILE';
/** Names a descriptor on which a process is handed what the one that started it knows, a line each. */
export const PASSPHRASE_FD_VARIABLE = 'BYZFS_PASSPHRASE_FD';
/** Of `LoadCredential=` in a unit (systemd.exec(5)). */
const CREDENTIAL = 'byzfs-passphrase';
const ATTEMPTS = 3;
const LINE_BYTES = 1024;

const WAYS = `--passphrase-file, ${PASSPHRASE_FILE_VARIABLE}, the systemd credential ${CREDENTIAL}, or a terminal`;

/** Those that were right, in this process. */
const known = new Set<string>();
/** Seeds by their boxes: deriving a key takes long, on purpose. */
const opened = new Map<string, Buffer>();

/** What a process that this one starts needs to open the keys that were opened here; undefined: nothing. */
export function passphrasesToHandOn(): string | undefined {
  takeHandedOn();
  return known.size === 0 ? undefined : [...known].map((passphrase) => `${passphrase}\n`).join('');
}

function takeHandedOn(): void {
  const fd = process.env[PASSPHRASE_FD_VARIABLE];
  if (fd === undefined) return;
  delete process.env[PASSPHRASE_FD_VARIABLE];
  for (const line of readFileSync(Number(fd), 'utf8').split('\n')) if (line !== '') known.add(line);
}

/**
 * @param path how errors name the key
 * @throws ClusterError `locked`
 */
export function unlock(path: string, sealed: SealedKey): Buffer {
  const box = sealed.box.toString('base64');
  const before = opened.get(box);
  if (before !== undefined) return before;
  takeHandedOn();
  const file = passphraseFile();
  const candidates = new Set([...(file === undefined ? [] : [readPassphrase(file)]), ...known]);
  const seed = tryAll(sealed, candidates);
  if (seed === undefined && file !== undefined) {
    throw new ClusterError('locked', `${path}: what ${file} holds is not its passphrase, or the key file was altered`);
  }
  const right = seed ?? tryTerminal(path, sealed);
  opened.set(box, right);
  return right;
}

/**
 * A passphrase for keys that are to be encrypted; at the terminal it is asked for twice.
 * @param file null: only the terminal is asked; default: what opens keys encrypts them too
 * @throws ClusterError
 */
export function newPassphrase(path: string, file: string | null = passphraseFile() ?? null): string {
  if (file !== null) return readPassphrase(file);
  const first = ask(`New passphrase for the keys in ${path}: `);
  if (first === undefined)
    throw new ClusterError('locked', `no passphrase for ${path}: there is no terminal to ask for it`);
  if (first === '') throw new ClusterError('invalid', 'an empty passphrase: nothing was changed');
  if (ask('The same again: ') !== first) throw new ClusterError('invalid', 'two passphrases: nothing was changed');
  return first;
}

function tryAll(sealed: SealedKey, passphrases: Iterable<string>): Buffer | undefined {
  for (const passphrase of passphrases) {
    const seed = unseal(sealed, passphrase);
    if (seed === undefined) continue;
    known.add(passphrase);
    return seed;
  }
  return undefined;
}

/** @throws ClusterError */
function tryTerminal(path: string, sealed: SealedKey): Buffer {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const passphrase = ask(`Passphrase of ${path}: `);
    if (passphrase === undefined) {
      throw new ClusterError('locked', `${path}: encrypted, and its passphrase is not known: give it by ${WAYS}`);
    }
    const seed = tryAll(sealed, [passphrase]);
    if (seed !== undefined) return seed;
  }
  throw new ClusterError('locked', `${path}: none of these is its passphrase, or the key file was altered`);
}

function passphraseFile(): string | undefined {
  const named = process.env[PASSPHRASE_FILE_VARIABLE];
  if (named !== undefined) return named;
  const credentials = process.env.CREDENTIALS_DIRECTORY;
  if (credentials === undefined) return undefined;
  const file = join(credentials, CREDENTIAL);
  try {
    closeSync(openSync(file, 'r'));
    return file;
  } catch {
    return undefined;
  }
}

function readPassphrase(file: string): string {
  let text: string;
  try {
    const fd = openSync(file, 'r');
    try {
      // A pipe, as of a shell's <(…), is nobody else's.
      const stat = fstatSync(fd);
      if (stat.isFile()) requirePrivate(file, stat.mode, 'passphrase');
      text = readFileSync(fd, 'utf8');
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (error instanceof ClusterError) throw error;
    throw new ClusterError('unreadable', `${file}: the passphrase cannot be read: ${systemCode(error)}`);
  }
  const [passphrase] = text.split('\n', 1);
  if (passphrase === '') throw new ClusterError('invalid', `${file}: its first line is empty: a passphrase expected`);
  return passphrase;
}

/** A line typed at the terminal, unseen; undefined: there is no terminal. */
function ask(prompt: string): string | undefined {
  let terminal: number;
  try {
    terminal = openSync('/dev/tty', 'r+');
  } catch {
    return undefined;
  }
  const echo = (mode: 'echo' | '-echo') => spawnSync('stty', [mode], { stdio: [terminal, 'ignore', 'ignore'] });
  try {
    echo('-echo');
    writeSync(terminal, prompt);
    const line = Buffer.alloc(LINE_BYTES);
    const length = readSync(terminal, line, 0, LINE_BYTES, null);
    return line.toString('utf8', 0, length).replace(/\n$/, '');
  } finally {
    echo('echo');
    writeSync(terminal, '\n');
    closeSync(terminal);
  }
}
