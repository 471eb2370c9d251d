/** `byzfs scrub`: a replica looks through its whole state now, and mends what its disk has altered. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { loadCluster } from '../cluster/file.js';
import { loadClientIdentity } from '../cluster/identity.js';
import { ADMIN, replicaNumbered } from '../cluster/registry.js';
import { Limits } from '../limits.js';
import { readScrubStatus, type ScrubStatus } from '../status/report.js';
import { canonicalDirectory } from './directory.js';
import { CommandError } from './errors.js';
import { integerIn } from './options.js';
import { connect, openQuietLog } from './rooms.js';

const INSPECT_MS = 2000;
const POLL_MS = 200;
/** A replica whose state was damaged may begin anew meanwhile: it is silent while it does. */
const SILENCE_MS = 60_000;

const EXAMPLES = `
Examples:
  byzfs scrub DIR --id 2            waits for a pass that finds nothing wrong
  byzfs scrub DIR --id 2 --json     { "replica": 2, "rows": ..., "damaged": ..., "repaired": ... }
`;

export function register(program: Command): void {
  program
    .command('scrub')
    .description('make a replica look through its whole state now; what its disk has altered it takes from the others')
    .argument('<dir>', 'cluster directory')
    .requiredOption('--id <n>', 'which replica', integerIn(0, 3 * Limits.maxFaults))
    .option('--json', 'for machines')
    .addHelpText('after', EXAMPLES)
    .action(async (dir: string, { id, json }: { id: number; json?: boolean }) => {
      const result = await run(canonicalDirectory(dir), id);
      const { rows, damaged, repaired } = result;
      const text = `replica ${id}: ${rows} rows looked at, ${damaged} damaged, ${repaired} repaired`;
      process.stdout.write(json ? `${JSON.stringify({ replica: id, ...result })}\n` : `${text}\n`);
    });
}

async function run(directory: string, id: number): Promise<ScrubResult> {
  const cluster = loadCluster(directory);
  replicaNumbered(cluster, id);
  const identity = loadClientIdentity(directory, cluster, ADMIN);
  const client = await connect({ cluster, identity, log: await openQuietLog('scrub'), deadlineMs: INSPECT_MS });
  const { SingleBar, Presets } = (await import('cli-progress')).default;
  const watched = process.stderr.isTTY === true;
  const bar = new SingleBar(
    { format: `replica ${id} {bar} {value} rows`, stream: process.stderr, clearOnComplete: true, hideCursor: true },
    Presets.shades_classic,
  );
  if (watched) bar.start(1, 0);
  try {
    return await followScrub({
      ask: async (scrub) => readScrubStatus(await client.inspect(id, INSPECT_MS, scrub)),
      progress: ({ current, rows }) => {
        bar.setTotal(Math.max(rows, current ?? 0, 1));
        bar.update(current ?? 0);
      },
      pause: () => delay(POLL_MS),
      silenceMs: SILENCE_MS,
    });
  } finally {
    if (watched) bar.stop();
    await client.close();
  }
}

export interface ScrubResult {
  rows: number;
  damaged: number;
  repaired: number;
}

export interface ScrubPorts {
  /** @returns what the replica says of its passes; null if it did not answer, or not to this */
  ask(scrub: boolean): Promise<ScrubStatus | null>;
  progress(status: ScrubStatus): void;
  pause(): Promise<void>;
  /** How long the replica may give no answer. */
  silenceMs: number;
}

/**
 * Asks for a pass, again if the replica was started anew and has forgotten that it was asked, and waits until one was
 * made that found nothing wrong: a replica that finds damage mends it and begins again.
 * @throws CommandError if the replica gives no answer for too long
 */
export async function followScrub(ports: ScrubPorts): Promise<ScrubResult> {
  let begun: ScrubStatus | undefined;
  let before: ScrubStatus | undefined;
  for (let heardAt = performance.now(); ; await ports.pause()) {
    const status = await ports.ask(begun === undefined);
    if (status === null) {
      if (performance.now() - heardAt > ports.silenceMs) {
        throw new CommandError('the replica does not answer: see byzfs status, and its log in run/');
      }
      continue;
    }
    heardAt = performance.now();
    before ??= status;
    ports.progress(status);
    if (status.asked) begun ??= status;
    else if (begun !== undefined && status.passes > begun.passes) {
      const { rows, damaged, repaired } = status;
      // A new process counts from zero.
      const since = damaged < before.damaged ? { damaged: 0, repaired: 0 } : before;
      return { rows, damaged: damaged - since.damaged, repaired: repaired - since.repaired };
    } else begun = undefined;
  }
}
