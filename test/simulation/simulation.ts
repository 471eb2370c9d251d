import { Fizzled, Stage } from './attacks/stage.js';
import { Faults } from './faults.js';
import { drawPlan, type Plan, type PlanOptions } from './plan.js';
import type { Statistics } from './statistics.js';
import { Violation, type ViolationKind } from './violation.js';
import { Workload } from './workload.js';
import { World } from './world.js';

/** What is promised once faults have stopped, but for at most f Byzantine replicas, in simulated time. */
export const Bounds = {
  /** Every call is answered, counted from then or from when it was made. */
  progressMs: 60_000,
  /**
   * All correct replicas have executed all that was agreed, counted from the last answer, or from when one of them last
   * executed something: on a far network what Byzantine clients left in the queues takes its time.
   */
  convergenceMs: 30_000,
  /** … and stay so for so long. */
  lastingMs: 3_000,
  /** From then on a while comes soon in which no view is left whose primary is correct: within so long … */
  settlingMs: 60_000,
  /** … one as long as this. */
  calmMs: 5_000,
} as const;

/** Troubles stop then at the latest. */
const TROUBLED_MS = 12_000;

export interface Outcome {
  seed: number;
  f: number;
  violation: { kind: ViolationKind; message: string; transcript: string } | undefined;
  statistics: Statistics;
  /** The directed attack, if the seed is one's, and why nothing came of it, if nothing did. */
  attack: { name: string; fizzled: string | undefined } | undefined;
  /** Correct replicas that stopped themselves, where that is tolerated. */
  stopped: string[];
  simulatedMs: number;
}

/** Runs one seed to its end, or to the first violation. The same seed always does the same. */
export function simulate(options: PlanOptions): Outcome {
  const plan = drawPlan(options);
  const world = new World(plan.world);
  let violation: Outcome['violation'];
  const attack = plan.attack && { name: plan.attack.name, fizzled: undefined as string | undefined };
  try {
    if (attack !== undefined) attack.fizzled = carryOut(world, plan);
    runPlan(world, plan);
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    violation = { kind: error.kind, message: error.message, transcript: world.transcript.toString() };
  } finally {
    world.close();
  }
  const statistics = world.collectStatistics();
  const { seed, f } = options;
  return { seed, f, violation, statistics, attack, stopped: world.stopped, simulatedMs: world.now };
}

/** Brings the replicas to where an attack begins, and carries it out. @returns why nothing came of it, if nothing did */
function carryOut(world: World, { attack, puppets }: Plan): string | undefined {
  const stage = new Stage(world, puppets);
  world.transcript.event(world.now, 'world', `attack: ${attack!.name}`);
  world.statistics.attacks++;
  try {
    for (let i = stage.random.below(4); i >= 0; i--) {
      const calls = world.clients.map(({ id }) => stage.append(id));
      stage.until('nobody answers', () => stage.answered(...calls));
    }
    stage.settle();
    attack!.carryOut(stage);
    world.transcript.event(world.now, 'world', 'the attack is over');
    return undefined;
  } catch (error) {
    if (!(error instanceof Fizzled)) throw error;
    stage.abandon();
    world.transcript.event(world.now, 'world', `the attack fizzled: ${error.message}`);
    world.statistics.fizzledAttacks++;
    return error.message;
  }
}

function runPlan(world: World, plan: Plan): void {
  const { everyMs, lastMs, troubles, writers, readers, thinkMs, operations, durable, powerLossAfter } = plan;
  const workload = new Workload(world, { operations, writers, readers, thinkMs, registers: 6, durable });
  const faults = new Faults(world, { troubles, everyMs, lastMs });
  if (powerLossAfter !== undefined) {
    world.runUntil(() => world.statistics.durableReplies >= powerLossAfter, TROUBLED_MS);
    faults.losePowerEverywhere();
  }
  world.runUntil(() => workload.done, TROUBLED_MS);
  faults.stop();
  world.network.weather = plan.calmWeather;
  world.transcript.event(world.now, 'world', 'troubles stop');
  finishCalls(world, () => workload.done);
  world.silenceByzantineClients();
  checkConvergence(world);
  checkService(world);
  checkConvergence(world);
  // The list's checker looks at what has committed: all that clients were told tentatively must have, by now.
  world.checkHistories();
  checkCalm(world);
}

/** All calls are answered, each within the time it has. */
function finishCalls(world: World, done: () => boolean): void {
  const calm = world.now;
  while (!world.runUntil(done, 500)) {
    const [waiting] = world.invocations.pending;
    if (waiting === undefined || world.now - Math.max(waiting.invokedAt, calm) < Bounds.progressMs) continue;
    const asked = `${waiting.operation}, asked at ${waiting.invokedAt.toFixed(1)} ms,`;
    throw new Violation('progress', `${asked} has no answer ${Bounds.progressMs} ms after the last trouble`);
  }
}

/** The service goes on: every client is answered once more, and the agreed time is not one of long ago. */
function checkService(world: World): void {
  const earliest = world.earliestClock();
  for (const { id } of world.clients) world.call(id, `append last-${id}`);
  finishCalls(world, () => world.invocations.pending.size === 0);
  world.checkTimeSince(earliest);
}

/** All correct replicas come to one state within the time they have. */
function checkConvergence(world: World): void {
  const executed = (): number => world.correctHosts.reduce((sum, { state }) => sum + state.lastExecuted, 0);
  let divergence = world.divergence();
  let before = executed();
  // What was answered in a view that has ended may be on its way to be executed again: one state must last.
  for (let waited = 0, lasts = 0; waited < Bounds.convergenceMs && lasts < Bounds.lastingMs; waited += 100) {
    world.run(100);
    divergence = world.divergence();
    const goesOn = executed() > before;
    lasts = divergence === undefined && !goesOn ? lasts + 100 : 0;
    if (goesOn || lasts > 0) waited = 0;
    before = Math.max(before, executed());
  }
  world.eras.checkRegisters();
  if (divergence === undefined) return;
  throw new Violation('convergence', `${divergence}, ${Bounds.convergenceMs} ms after the last call`);
}

/** Nothing is wrong but at most f replicas: nobody may go on suspecting primaries that are correct. */
function checkCalm(world: World): void {
  for (let settled = 0; settled < Bounds.settlingMs; settled += Bounds.calmMs) {
    const before = world.correctPrimariesLeft;
    world.run(Bounds.calmMs);
    if (world.correctPrimariesLeft === before) return;
  }
  throw new Violation('progress', 'correct replicas go on leaving views whose primaries are correct');
}
