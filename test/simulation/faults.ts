import { type Address, STORMY } from './network.js';
import type { Random } from './random.js';
import type { ReplicaHost } from './replica-host.js';
import type { World } from './world.js';

/** How likely each kind of trouble is, against the others. */
export interface Troubles {
  crash: number;
  crashPrimary: number;
  crashAll: number;
  /** All are down for an hour. */
  outage: number;
  powerLoss: number;
  /** Of more than f at once. */
  blackout: number;
  isolate: number;
  split: number;
  cutLink: number;
  storm: number;
  slow: number;
  stall: number;
  clockStep: number;
  diskFull: number;
  bitRot: number;
  /** The disk alters the state, and that is found. */
  damage: number;
}

export type Trouble = keyof Troubles;

export interface FaultOptions {
  troubles: Troubles;
  /** Mean time between two troubles, ms. */
  everyMs: number;
  /** How long the longer troubles last at most, ms. */
  lastMs: number;
}

/**
 * Trouble of every kind at random times, which overlaps, until `stop`, which ends it all. Any number of correct replicas
 * may be down or cut off at a time, for they come back; what does not come back counts against f.
 */
export class Faults {
  private stopped = false;
  private readonly heals = new Set<() => void>();
  private readonly random: Random;

  constructor(
    private readonly world: World,
    private readonly options: FaultOptions,
  ) {
    this.random = world.random;
    this.next();
  }

  private next(): void {
    const { random, world, options } = this;
    world.scheduler.after(2 * options.everyMs * random.next(), () => {
      if (this.stopped) return;
      const trouble = this.draw();
      world.transcript.event(world.now, 'world', trouble);
      this.strike(trouble);
      this.next();
    });
  }

  private draw(): Trouble {
    const weighted = Object.entries(this.options.troubles) as [Trouble, number][];
    let left = this.random.next() * weighted.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [trouble, weight] of weighted) {
      left -= weight;
      if (left < 0) return trouble;
    }
    return 'storm';
  }

  private strike(trouble: Trouble): void {
    const { world, random } = this;
    const hosts = world.hosts.map(({ address }) => address);
    const host = random.pick(world.hosts);
    const all: Address[] = [...hosts, ...world.clientAddresses];
    switch (trouble) {
      case 'crash':
        return this.down([host], (each) => each.kill());
      case 'crashPrimary':
        return this.down([world.hosts[world.primary]], (each) => each.kill());
      case 'crashAll':
        return this.down(world.hosts, (each) => each.kill());
      case 'outage':
        // As if the hour had passed: only the wall clocks can tell.
        for (const each of world.hosts) each.clock.offset += 3_600_000;
        return this.down(world.hosts, (each) => each.kill());
      case 'powerLoss':
        if (!world.synced) return this.forget(host);
        world.statistics.powerLosses++;
        return this.down(random.chance(0.5) ? [host] : world.hosts, (each) => each.losePower());
      case 'blackout':
        return this.blackout();
      case 'isolate':
        return this.isolate(random.chance(0.5) ? host.address : world.primary, all);
      case 'split': {
        const one = all.filter(() => random.chance(0.5));
        const other = all.filter((address) => !one.includes(address));
        return this.until(world.network.separate(one, other), true);
      }
      case 'cutLink':
        return this.until(world.network.cut([host.address], [random.pick(all)]), true);
      case 'storm': {
        const before = world.network.weather;
        world.network.weather = STORMY;
        return this.until(() => {
          world.network.weather = before === STORMY ? world.network.weather : before;
        });
      }
      case 'slow':
        return this.until(world.network.slow(host.address, random.between(10, 400)));
      case 'stall':
        return host.stall(random.between(20, this.options.lastMs));
      case 'clockStep':
        host.clock.offset += random.between(-500, 500);
        return;
      case 'diskFull':
        host.disk.full = true;
        return this.until(() => {
          host.disk.full = false;
          this.restart(host);
        });
      case 'damage':
        if (this.spare > 0) host.findDamage();
        return;
      case 'bitRot':
        if (this.spare <= 0) return;
        host.faulty = true;
        host.disk.rot();
        return this.down([host], (each) => each.kill());
    }
  }

  /** How many more may be faulty. */
  private get spare(): number {
    const isOne = ({ faulty, forgetful, state }: ReplicaHost): boolean => faulty || forgetful || state.damaged;
    return this.world.f - this.world.hosts.filter(isOne).length;
  }

  /** Without flushing before sending, a power loss makes a replica forget, which counts against f until it has rejoined. */
  private forget(host: ReplicaHost): void {
    const { world } = this;
    if (host.faulty || this.spare <= 0) return;
    world.statistics.powerLosses++;
    world.statistics.forgetfulRestarts++;
    this.down([host], (each) => each.losePower());
  }

  /** More than f, or all, forget at once: nobody can tell each of them what it said. */
  private blackout(): void {
    const { world, random } = this;
    if (world.synced) return;
    const isAll = random.chance(0.5);
    const hit = world.hosts.filter(() => isAll || random.chance(0.7));
    // Fewer who forget beside one that is faulty anyway is more than f, and no group that could recover.
    if (hit.filter(({ faulty }) => !faulty).length <= world.f) return;
    world.statistics.powerLosses++;
    this.cutPower(hit);
  }

  /** Those too that are down: what was not flushed is nowhere any more. */
  private cutPower(hosts: readonly ReplicaHost[]): void {
    for (const host of hosts) if (!host.up) host.losePower();
    this.down(hosts, (host) => host.losePower());
  }

  /** All lose power at once. */
  losePowerEverywhere(): void {
    const { hosts, statistics, transcript, now } = this.world;
    transcript.event(now, 'world', 'the power fails everywhere');
    statistics.powerLosses++;
    statistics.totalPowerLosses++;
    statistics.durableRepliesBefore += statistics.durableReplies;
    this.cutPower(hosts);
  }

  /** From everyone: fully, or one way. */
  private isolate(address: Address, all: readonly Address[]): void {
    const { network } = this.world;
    const draw = this.random.next();
    if (draw < 0.6) this.until(network.separate([address], all), true);
    else if (draw < 0.8) this.until(network.cut([address], all), true);
    else this.until(network.cut(all, [address]), true);
  }

  private down(hosts: readonly ReplicaHost[], how: (host: ReplicaHost) => void): void {
    for (const host of hosts) {
      if (!host.up) continue;
      this.world.transcript.event(this.world.now, host.name, 'goes down');
      how(host);
      const shortly = hosts.length > 1 || this.random.chance(0.4);
      this.until(() => this.restart(host), false, shortly ? 100 : undefined);
    }
  }

  private restart(host: ReplicaHost): void {
    if (host.up) return;
    const { world } = this;
    world.transcript.event(world.now, host.name, 'starts');
    world.statistics.restarts++;
    host.start();
    this.linksUp(host);
  }

  /** As connections come back; some only long after, so that nothing may depend on being told. */
  private linksUp(host: ReplicaHost): void {
    const { world, random } = this;
    for (const other of world.hosts) {
      if (other.id === host.id) continue;
      if (random.chance(0.5)) world.scheduler.after(random.between(0, 20), () => host.linkUp(other.id));
      if (random.chance(0.5)) world.scheduler.after(random.between(0, 20), () => other.linkUp(host.id));
    }
  }

  /** Ends a trouble after some time, or with all the others. */
  private until(heal: () => void, reconnects = false, atMostMs = this.options.lastMs): void {
    const { world, random } = this;
    const once = (): void => {
      if (!this.heals.delete(once)) return;
      heal();
      if (reconnects) for (const host of world.hosts) if (random.chance(0.3)) this.linksUp(host);
    };
    this.heals.add(once);
    world.scheduler.after(random.between(0, atMostMs), once);
  }

  /** Ends all troubles, and brings up whatever is down. */
  stop(): void {
    this.stopped = true;
    for (const heal of [...this.heals]) heal();
    for (const host of this.world.hosts) this.restart(host);
  }
}
