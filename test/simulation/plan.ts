import { ALL_OPTIMIZATIONS, type Optimizations } from '../../src/pbft/configuration.js';
import type { Attack } from './attacks/attack.js';
import { ATTACKS } from './attacks/catalogue.js';
import type { Behaviour } from './byzantine/behaviour.js';
import { drawBehaviours } from './byzantine/catalogue.js';
import { Puppet } from './byzantine/puppet.js';
import type { Trouble, Troubles } from './faults.js';
import { FAIR, type Weather } from './network.js';
import { Random } from './random.js';
import { LONGEST_VALUE } from './workload.js';
import type { WorldOptions } from './world.js';

/** Everything that happens with a seed: who is faulty, what goes wrong, what clients do. */
export interface Plan {
  world: WorldOptions;
  troubles: Troubles;
  everyMs: number;
  lastMs: number;
  thinkMs: number;
  writers: number;
  readers: number;
  /** Share of durable calls. */
  durable: number;
  /** Client operations, at least. */
  operations: number;
  /** After so many durable replies the power fails everywhere at once. */
  powerLossAfter: number | undefined;
  /** What is done first, if the seed is one of a directed attack, and by whom. */
  attack: Attack | undefined;
  puppets: Puppet[];
  /** What the network is like once troubles have stopped. */
  calmWeather: Weather;
}

/** A network on which a view change takes longer than the time that a view is first given. */
const FAR: Weather = { minDelayMs: 250, maxDelayMs: 450, loss: 0, duplication: 0, reordering: false };

/** They take ten times as long. */
const SQLITE_EVERY = 8;

const TROUBLES: Troubles = {
  crash: 3,
  crashPrimary: 3,
  crashAll: 1,
  outage: 0.3,
  powerLoss: 3,
  blackout: 1,
  isolate: 3,
  split: 2,
  cutLink: 2,
  storm: 1,
  slow: 1,
  stall: 2,
  clockStep: 0.5,
  diskFull: 0.5,
  bitRot: 0.1,
  damage: 0.5,
};

/** With f = 2 fewer seeds are run: what few of them would have, they have more often. */
const OFTENER: Partial<Troubles> = { powerLoss: 6, blackout: 3 };

/** Some kinds only, in the manner of swarm testing (Groce et al., ISSTA '12): what is always on hides what it prevents. */
function drawTroubles(random: Random, f: number): Troubles {
  const troubles = { ...TROUBLES, ...(f > 1 ? OFTENER : {}) };
  for (const trouble of Object.keys(troubles) as Trouble[]) if (random.chance(0.5)) troubles[trouble] = 0;
  return troubles;
}

/** Every how many seeds begin with a directed attack: most of them are for f = 1. */
const attackEvery = (f: number): number => (f === 1 ? 2 : 8);

/** Which of the directed attacks, if any: they take turns, so that so many seeds have each of them. */
function attackOf(seed: number, f: number): Attack | undefined {
  const every = attackEvery(f);
  const attacks = ATTACKS.filter((attack) => (attack.f ?? 1) === f);
  return seed % every === 1 ? attacks[((seed - 1) / every) % attacks.length] : undefined;
}

export interface PlanOptions {
  seed: number;
  f: number;
  operations?: number;
  /** After a directed attack come few operations: what it has done shows soon. */
  short?: boolean;
  tolerateStops?: boolean;
  verbose?: boolean;
  /** Whether state, journal and messages are the real ones. Default: with some seeds. */
  sqlite?: boolean;
  /** All lose power at once, in the middle of it: of random plans. */
  powerLoss?: boolean;
  /** An optimization to be left out, where otherwise most worlds have them all: of random plans. */
  without?: keyof Optimizations;
}

/** All of them in most worlds, in the others all but one or two. */
function drawOptimizations(random: Random, without: keyof Optimizations | undefined): Optimizations {
  const optimizations = { ...ALL_OPTIMIZATIONS };
  const drop = random.chance(0.8) ? 0 : 1 + random.below(2);
  for (let i = 0; i < drop; i++)
    optimizations[random.pick(Object.keys(optimizations) as (keyof Optimizations)[])] = false;
  if (without !== undefined) optimizations[without] = false;
  return optimizations;
}

export function drawPlan(options: PlanOptions): Plan {
  const random = new Random(options.seed * 2_654_435_761);
  const attack = attackOf(options.seed, options.f);
  const isRandom = attack === undefined || options.without !== undefined || options.powerLoss;
  const plan = isRandom ? drawRandom(options, random) : drawAttack(options, attack, random);
  if (options.powerLoss) Object.assign(plan, { powerLossAfter: 1 + random.below(60), durable: 0.4 });
  plan.world.sqlite = options.sqlite ?? (options.without === undefined && options.seed % SQLITE_EVERY === 0);
  const { limits } = plan.world;
  // A row of a slot has room for the result of whatever changes something.
  if (plan.world.sqlite && limits?.cachedReplyBytes !== undefined) limits.cachedReplyBytes = LONGEST_VALUE;
  return plan;
}

/** An attack comes first, with nothing else in its way; then come random troubles for what it has left behind. */
function drawAttack(
  { seed, f, operations, short, tolerateStops, verbose }: PlanOptions,
  attack: Attack,
  random: Random,
): Plan {
  const puppets = [attack.puppet, attack.accomplice].filter((id) => id !== undefined).map((id) => new Puppet(id));
  return {
    world: {
      seed,
      f,
      clients: 3,
      weather: { ...FAIR, reordering: random.chance(0.3) },
      batchWindow: random.pick([1, 4, 8]),
      synced: random.chance(0.3),
      limits: { batchRequests: random.pick([1, 256]) },
      behaviours: new Map(puppets.map((puppet) => [puppet.id, [puppet]])),
      tolerateStops: tolerateStops ?? false,
      verbose: verbose ?? false,
      ...attack.world,
    },
    powerLossAfter: undefined,
    attack,
    puppets,
    operations: operations ?? (short ? 80 : 500),
    troubles: drawTroubles(random, f),
    everyMs: random.pick([400, 1000, 100_000]),
    lastMs: random.pick([300, 1500]),
    thinkMs: random.pick([5, 20]),
    writers: 1 + random.below(2),
    readers: random.below(3),
    durable: 0.04,
    calmWeather: FAIR,
  };
}

function drawRandom(options: PlanOptions, random: Random): Plan {
  const { seed, f, operations, tolerateStops, verbose, without } = options;
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
  const batchRequests = random.pick([1, 2, 256]);
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
        // On a far network a client that floods it would outlast every primary.
        batchRequests: far ? 256 : batchRequests,
        transferLag: checkpointInterval * random.pick([4, 4, 64]),
        historyBatches: checkpointInterval * random.pick([1, 1, 1000]),
        inlineRequestBytes: random.pick([8192, 80, 0]),
      },
      optimizations: drawOptimizations(random, without),
      behaviours,
      twins,
      byzantineClients: random.chance(0.3) ? 1 : 0,
      tolerateStops: tolerateStops ?? false,
      verbose: verbose ?? false,
    },
    powerLossAfter: undefined,
    attack: undefined,
    puppets: [],
    operations: operations ?? 500,
    troubles: drawTroubles(random, f),
    everyMs: random.pick([150, 400, 1000, 3000]),
    lastMs: random.pick([300, 1500, 4000]),
    thinkMs: random.pick([5, 20, 60]),
    writers: 1 + random.below(4),
    readers: random.below(4),
    durable: random.pick([0.04, 0.04, 0.4]),
    calmWeather: far ? FAR : FAIR,
  };
  // One after another forgets and recovers, each a fault that only comes to light with the next.
  if (behaviours.size + twins.length === 0 && !far && random.chance(0.4)) {
    Object.assign(plan.world, { synced: false, limits: { ...plan.world.limits, checkpointInterval: 10, logSize: 20 } });
    plan.troubles.powerLoss = 20;
    // A new incarnation would forget such faults.
    plan.troubles.blackout = 0;
    plan.everyMs = 150;
    plan.durable = random.pick([0, 0.04]);
  }
  return plan;
}
