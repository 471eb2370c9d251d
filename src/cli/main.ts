#!/usr/bin/env node
/** The `byzfs` command. Exit status: 0 done, 1 failed, 2 wrong usage; errors are one line on stderr. */
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command, CommanderError } from 'commander';
import * as bench from './bench.js';
import * as client from './client.js';
import * as doctor from './doctor.js';
import * as down from './down.js';
import { oneLine, UsageError } from './errors.js';
import * as init from './init.js';
import * as mount from './mount.js';
import * as page from './page.js';
import { announce } from './processes.js';
import * as replica from './replica.js';
import * as scrub from './scrub.js';
import * as status from './status.js';
import * as top from './top.js';
import * as umount from './umount.js';
import * as up from './up.js';
import { versionLine } from './version.js';

const VERBS = [init, replica, mount, umount, up, down, status, top, page, client, scrub, bench, doctor];

function commandLine(): Command {
  const program = new Command('byzfs')
    .description('A replicated file service that stays right while up to f of its 3f+1 replicas do anything at all.')
    .option('--version', 'print the versions of program, protocol and state')
    .exitOverride()
    .configureOutput({ outputError: () => {} });
  for (const verb of VERBS) verb.register(program);
  return program;
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
    await commandLine().parseAsync(args, { from: 'user' });
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
  const second = args[0] === 'client' && isVerb(1) ? ` ${args[1]}` : '';
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
