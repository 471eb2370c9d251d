#!/usr/bin/env node
/** The `byzfs` command. Exit status: 0 done, 1 failed, 2 wrong usage; errors are one line on stderr. */
import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, CommanderError } from 'commander';
import { PASSPHRASE_FILE_VARIABLE } from '../cluster/passphrase.js';
import { oneLine, UsageError } from './errors.js';
import { announce } from './processes.js';
import { versionLine } from './version.js';

/** Loaded when asked for: a process that is a replica needs nothing of what measures, nor a mount what makes keys. */
const VERBS: Record<string, () => Promise<{ register(program: Command): void }>> = {
  init: () => import('./init.js'),
  replica: () => import('./replica.js'),
  mount: () => import('./mount.js'),
  umount: () => import('./umount.js'),
  up: () => import('./up.js'),
  down: () => import('./down.js'),
  status: () => import('./status.js'),
  top: () => import('./top.js'),
  page: () => import('./page.js'),
  client: () => import('./client.js'),
  key: () => import('./key.js'),
  scrub: () => import('./scrub.js'),
  bench: () => import('./bench.js'),
  doctor: () => import('./doctor.js'),
};

const EXAMPLES = `
Examples:
  byzfs up                              a cluster of four and a mount of it, here
  byzfs status .byzfs
  byzfs help init                       clusters on several machines, of several owners
`;

/** Verbs that have verbs. */
const GROUPS = ['client', 'key'];

/** @param verb the one that is asked for; undefined, or none that there is: all are described */
async function commandLine(verb: string | undefined): Promise<Command> {
  const program = new Command('byzfs')
    .description('A replicated file service that stays right while up to f of its 3f+1 replicas do anything at all.')
    .option('--version', 'print the versions of program, protocol and state')
    .option('--passphrase-file <file>', `its first line opens encrypted keys; so does ${PASSPHRASE_FILE_VARIABLE}`)
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', EXAMPLES)
    .hook('preAction', (program) => absolutePassphraseFile(program.opts().passphraseFile))
    .exitOverride()
    .configureOutput({ outputError: () => {} });
  const asked = verb !== undefined && Object.hasOwn(VERBS, verb) ? [VERBS[verb]] : Object.values(VERBS);
  for (const load of asked) (await load()).register(program);
  return program;
}

/** Processes that are started from here have another working directory. */
function absolutePassphraseFile(file = process.env[PASSPHRASE_FILE_VARIABLE]): void {
  if (file !== undefined) process.env[PASSPHRASE_FILE_VARIABLE] = resolve(file);
}

/**
 * Runs one command line, `process.argv` without node and script, to its exit status.
 * @param failed told the line that is on stderr, before this returns
 */
export async function main(args: readonly string[], failed?: (line: string) => Promise<void>): Promise<number> {
  try {
    if (args.length === 1 && args[0] === '--version') {
      process.stdout.write(await versionLine());
      return 0;
    }
    const program = await commandLine(args[0]);
    await program.parseAsync(args, { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    const usage = error instanceof CommanderError || error instanceof UsageError;
    const line = usage ? usageLine(error, args) : `byzfs: ${oneLine(error)}`;
    process.stderr.write(`${line}\n`);
    if (!usage && process.env.BYZFS_DEBUG !== undefined) process.stderr.write(`${(error as Error).stack}\n`);
    await failed?.(line.replace(/^byzfs: /, ''));
    return usage ? 2 : 1;
  }
}

/** Commander has shown the help already where no verb was given at all. */
function usageLine(error: Error, args: readonly string[]): string {
  const isVerb = (at: number): boolean => /^[a-z]/.test(args[at] ?? '');
  const second = GROUPS.includes(args[0]) && isVerb(1) ? ` ${args[1]}` : '';
  const verb = isVerb(0) ? ` ${args[0]}${second}` : '';
  if (error instanceof CommanderError && error.code === 'commander.help') return 'byzfs: a verb is missing: see above';
  const what = oneLine(error)
    .replace(/^error: /, '')
    .replace(/[.]$/, '');
  const known = error instanceof CommanderError && error.code === 'commander.unknownCommand' ? '' : verb;
  return `byzfs: ${what}: see byzfs${known} --help`;
}

/** Whether this file is the program, and not imported by one. npm reaches it through a symbolic link. */
const isProgram = process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url);

if (isProgram) process.exit(await main(process.argv.slice(2), (line) => announce({ failed: line })));
