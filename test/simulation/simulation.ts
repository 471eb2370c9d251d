import type { Behaviour } from './byzantine/behaviour.js';
import { drawBehaviours } from './byzantine/catalogue.js';
import { checkRegisters } from './checkers/registers.js';
import { Faults, type Trouble, type Troubles } from './faults.js';
import { FAIR, type Weather } from './network.js';
import { Random } from './random.js';
import type { Statistics } from './statistics.js';
import { Violation, type ViolationKind } from './violation.js';
import { Workload } from './workload.js';
import { World, type WorldOptions } from './world.js';

/** What is promised once faults have stopped, but for at most f Byzantine replicas, in simulated time. */
export const Bounds = {
  /** Every call is answered, counted from then or from when it was made. */
  progressMs: 60_000,
  /** All correct replicas have executed all that was agreed, counted from the last answer. */
  convergenceMs: 30_000,
  /** Where no replica is Byzantine, no view is left any more, counted from convergence … */
  settlingMs: 10_000,
  /** … for as long as one looks. */
  calmMs: 5_000,
} as const;

/** Troubles stop then at the latest. */
const TROUBLED_MS = 12_000;

export interface SimulationOptions {
  seed: number;
  f: number;
  /** Client operations, at least. */
  operations?: number;
  tolerateStops?: boolean;
  verbose?: boolean;
}

export interface Outcome {
  seed: number;
  f: number;
  violation: { kind: ViolationKind; message: string; transcript: string } | undefined;
  statistics: Statistics;
  /** Correct replicas that stopped themselves, where that is tolerated. */
  stopped: string[];
  simulatedMs: number;
}

/** Everything that happens with a seed: who is faulty, what goes wrong, what clients do. */
interface Plan {
  world: WorldOptions;
  troubles: Troubles;
  everyMs: number;
  lastMs: number;
  thinkMs: number;
  writers: number;
  readers: number;
  /** Share of durable calls. */
  durable: number;
  /** What the network is like once troubles have stopped. */
  calmWeather: Weather;
}

/** A network on which a view change takes longer than the time that a view is first given. */
const FAR: Weather = { minDelayMs: 250, maxDelayMs: 450, loss: 0, duplication: 0, reordering: false };

const TROUBLES: Troubles = {
  crash: 3,
  crashPrimary: 3,
  crashAll: 1,
  outage: 0.3,
  powerLoss: 3,
  isolate: 3,
  split: 2,
  cutLink: 2,
  storm: 1,
  slow: 1,
  stall: 2,
  clockStep: 0.5,
  diskFull: 0.5,
  bitRot: 0.1,
};

/** Some kinds only, in the manner of swarm testing (Groce et al., ISSTA '12): what is always on hides what it prevents. */
function drawTroubles(random: Random): Troubles {
  const troubles = { ...TROUBLES };
  for (const trouble of Object.keys(troubles) as Trouble[]) if (random.chance(0.5)) troubles[trouble] = 0;
  return troubles;
}

function drawPlan({ seed, f, tolerateStops, verbose }: SimulationOptions): Plan {
  const random = new Random(seed * 2_654_435_761);
  const n = 3 * f + 1;
  const behaviours = new Map<number, Behaviour[]>();
  const twins: number[] = [];
  for (let i = 0; i < f; i++) {
    // View 0's primary more often than another.
    const id = random.chance(0.4) ? 0 : random.below(n);
    if (behaviours.has(id) || twins.includes(id) || random.chance(0.25)) continue;
    if (random.chance(0.2)) twins.push(id);
    else behaviours.set(id, drawBehaviours(random));
  }
  const far = random.chance(0.04);
  const checkpointInterval = random.pick([10, 16, 32, 128]);
  const weather: Weather = random.chance(0.3)
    ? { minDelayMs: 0.1, maxDelayMs: 20, loss: 0.03, duplication: 0.03, reordering: true }
    : { ...FAIR, reordering: random.chance(0.3) };
  const plan: Plan = {
    world: {
      seed,
      f,
      clients: 2 + random.below(3),
      weather: far ? FAR : weather,
      batchWindow: random.pick([1, 4, 8]),
      synced: random.chance(0.3),
      limits: {
        checkpointInterval,
        logSize: checkpointInterval * random.pick([2, 4]),
        wholeReplyBytes: random.pick([16, 512]),
        cachedReplyBytes: random.pick([64, 4096]),
        batchRequests: random.pick([1, 2, 256]),
      },
      behaviours,
      twins,
      byzantineClients: random.chance(0.3) ? 1 : 0,
      tolerateStops: tolerateStops ?? false,
      verbose: verbose ?? false,
    },
    troubles: drawTroubles(random),
    everyMs: random.pick([150, 400, 1000, 3000]),
    lastMs: random.pick([300, 1500, 4000]),
    thinkMs: random.pick([5, 20, 60]),
    writers: 1 + random.below(4),
    readers: random.below(4),
    calmWeather: far ? FAR : FAIR,
    durable: random.pick([0.04, 0.04, 0.4]),
  };
  // One after another forgets and recovers, each a fault that only comes to light with the next.
  if (behaviours.size + twins.length === 0 && !far && random.chance(0.4)) {
    Object.assign(plan.world, { synced: false, limits: { ...plan.world.limits, checkpointInterval: 10, logSize: 20 } });
    plan.troubles.powerLoss = 20;
    plan.everyMs = 150;
    plan.durable = random.pick([0, 0.04]);
  }
  return plan;
}

/** Runs one seed to its end, or to the first violation. The same seed always does the same. */
export function simulate(options: SimulationOptions): Outcome {
  const plan = drawPlan(options);
  const world = new World(plan.world);
  let violation: Outcome['violation'];
  try {
    runPlan(world, plan, options.operations ?? 500);
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    violation = { kind: error.kind, message: error.message, transcript: world.transcript.toString() };
  }
  const statistics = world.collectStatistics();
  const { seed, f } = options;
  return { seed, f, violation, statistics, stopped: world.stopped, simulatedMs: world.now };
}

function runPlan(world: World, plan: Plan, operations: number): void {
  const { everyMs, lastMs, troubles, writers, readers, thinkMs, durable } = plan;
  const workload = new Workload(world, { operations, writers, readers, thinkMs, registers: 6, durable });
  const faults = new Faults(world, { troubles, everyMs, lastMs });
  world.runUntil(() => workload.done, TROUBLED_MS);
  faults.stop();
  world.network.weather = plan.calmWeather;
  world.transcript.event(world.now, 'world', 'troubles stop');
  finishCalls(world, workload);
  world.silenceByzantineClients();
  const divergence = convergence(world);
  checkRegisters(world.invocations.all);
  if (divergence !== undefined) {
    throw new Violation('convergence', `${divergence}, ${Bounds.convergenceMs} ms after the last call`);
  }
  // The list's checker looks at what has committed: all that clients were told tentatively must have, by now.
  world.checkHistories();
  if (world.hosts.every(({ faulty }) => !faulty)) checkCalm(world);
}

function finishCalls(world: World, workload: Workload): void {
  const calm = world.now;
  while (!world.runUntil(() => workload.done, 500)) {
    const [waiting] = world.invocations.pending;
    if (waiting === undefined || world.now - Math.max(waiting.invokedAt, calm) < Bounds.progressMs) continue;
    const asked = `${waiting.operation}, asked at ${waiting.invokedAt.toFixed(1)} ms,`;
    throw new Violation('progress', `${asked} has no answer ${Bounds.progressMs} ms after the last trouble`);
  }
}

/** Waits until all correct replicas are in one state. @returns why they are not, within the time they have */
function convergence(world: World): string | undefined {
  let divergence = world.divergence();
  for (let waited = 0; waited < Bounds.convergenceMs && divergence !== undefined; waited += 100) {
    world.run(100);
    divergence = world.divergence();
  }
  return divergence;
}

/** Nothing is wrong, whatever clients do: nobody may go on suspecting primaries. */
function checkCalm(world: World): void {
  world.run(Bounds.settlingMs);
  const before = world.viewChanges;
  world.run(Bounds.calmMs);
  if (world.viewChanges === before) return;
  throw new Violation('progress', 'correct replicas go on leaving views though none of them is faulty');
}
