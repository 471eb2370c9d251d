/**
 * A replica dies at its n-th write, for every n until it survives (the way of SQLite's own crash tests): before and after
 * everything that it writes, with its journal, its state, and what it gathers of another state on real files.
 */
import type { BatchData, Committed, ReplicaMessage, Reply } from '../../src/pbft/messages.js';
import { DiskFailure } from './disk.js';
import type { Write } from './storage.js';
import { Violation } from './violation.js';
import { World } from './world.js';

const VICTIM = 3;
/** Each operation is a batch of its own: those before the victim is cut off, those that it misses, and those after. */
const OPERATIONS = { together: 14, missed: 30, after: 4 };
const LIMITS = { checkpointInterval: 10, logSize: 20, transferLag: 20 };
const DOWN_MS = 30;
const RESTART_CHECK_MS = 10;
const LIMIT_MS = 120_000;
const TRANSFER_LAG_MS = 30;

export interface CrashOptions {
  death: 'kill' | 'power loss';
  /** Whether records are flushed before what they allow is said. */
  synced: boolean;
}

export const CRASHES: readonly CrashOptions[] = [
  { death: 'kill', synced: false },
  { death: 'kill', synced: true },
  { death: 'power loss', synced: false },
  { death: 'power loss', synced: true },
];

export interface CrashRun {
  moment: number;
  /** At which write it died; undefined: it survived. */
  diedAt: Write | undefined;
  stateTransfers: number;
  violation: string | undefined;
  transcript: string;
}

/** @param moment the victim dies at this one of the moments before and after its writes, counted from 1 */
export function crashAt(moment: number, { death, synced }: CrashOptions): CrashRun {
  let moments = 0;
  let diedAt: Write | undefined;
  const world = new World({
    seed: 1,
    f: 1,
    clients: 1,
    batchWindow: 1,
    synced,
    limits: LIMITS,
    sqlite: true,
    onWrite: ({ id }, what) => {
      if (id !== VICTIM || ++moments !== moment) return;
      diedAt = what;
      throw new DiskFailure(`dies at its write ${moment}: ${what}`);
    },
  });
  const victim = world.hosts[VICTIM];
  let downSince: number | undefined;
  world.scheduler.every(RESTART_CHECK_MS, () => {
    if (victim.up) return;
    if (downSince === undefined) {
      downSince = world.now;
      if (death === 'power loss') victim.losePower();
    }
    if (world.now - downSince >= DOWN_MS) victim.start();
  });
  let violation: string | undefined;
  try {
    story(world);
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    violation = error.message;
  } finally {
    world.close();
  }
  const { stateTransfers } = world.statistics;
  return { moment, diedAt, stateTransfers, violation, transcript: world.transcript.toString() };
}

/**
 * One run for every so many of the moments; the last one is that which the victim survives.
 * @param first the moment to begin with
 */
export function* crashAtEveryWrite(options: CrashOptions, every = 1, first = 1): Generator<CrashRun> {
  for (let moment = first; ; moment += every) {
    const run = crashAt(moment, options);
    yield run;
    if (run.diedAt === undefined) return;
  }
}

/** Batches and checkpoints, then a transfer of the state, then batches again. */
function story(world: World): void {
  work(world, OPERATIONS.together);
  const others = [...world.hosts.map(({ address }) => address), ...world.clientAddresses];
  const heal = world.network.separate([VICTIM], others);
  work(world, OPERATIONS.missed);
  const forgotten = world.hosts[0].replica!.describe().stableCheckpoint;
  // The others have nothing of it any more but the state.
  world.censors.add((message, _from, to) => to === VICTIM && isHistory(message) && message.sequence <= forgotten);
  heal();
  // So that what is gathered is committed before all of it is there.
  const quicken = world.network.slow(VICTIM, TRANSFER_LAG_MS);
  converge(world);
  quicken();
  work(world, OPERATIONS.after);
  converge(world);
  world.checkHistories();
}

const isHistory = (message: ReplicaMessage | Reply): message is Committed | BatchData =>
  message.kind === 'committed' || message.kind === 'batch-data';

function work(world: World, operations: number): void {
  for (let i = 0; i < operations; i++) {
    const number = world.invocations.all.length;
    const operation = [`append t${number}`, `put k${number % 5} ${number}`, `sync s${number}`][i % 3];
    const call = world.call(0, operation);
    if (!world.runUntil(() => call.result !== undefined, LIMIT_MS)) {
      throw new Violation('progress', `${operation} has no answer after ${LIMIT_MS} ms`);
    }
    world.run(30);
  }
}

function converge(world: World): void {
  if (world.runUntil(() => world.divergence() === undefined, LIMIT_MS)) return;
  throw new Violation('convergence', `${world.divergence()}, after ${LIMIT_MS} ms`);
}
