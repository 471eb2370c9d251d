import type { World } from './world.js';

/** Of a register, bytes. */
export const LONGEST_VALUE = 100;

export interface WorkloadOptions {
  /** Calls of all clients together. */
  operations: number;
  /** Loops of each client that change things, and that only read: each has one call outstanding. */
  writers: number;
  readers: number;
  /** Pause between the answer and the next call, ms. */
  thinkMs: number;
  registers: number;
  /** Share of durable calls among those that change things. */
  durable: number;
}

/** Closed loops of calls, of both services, until so many were made. */
export class Workload {
  private issued = 0;
  private stoppedIssuing = false;

  constructor(
    private readonly world: World,
    private readonly options: WorkloadOptions,
  ) {
    for (let client = 0; client < world.clients.length; client++) {
      for (let i = 0; i < options.writers; i++) this.next(client, false);
      for (let i = 0; i < options.readers; i++) this.next(client, true);
    }
  }

  /** All calls were made and answered. */
  get done(): boolean {
    return (this.stoppedIssuing || this.issued >= this.options.operations) && this.world.invocations.pending.size === 0;
  }

  private next(client: number, reader: boolean): void {
    const { world } = this;
    const { random } = world;
    const pause = random.chance(0.3) ? 0 : 2 * this.options.thinkMs * random.next();
    world.scheduler.after(pause, () => {
      if (this.issued >= this.options.operations) return;
      this.issued++;
      const operation = reader ? this.read() : this.write(client);
      world.call(client, operation, reader, () => this.next(client, reader));
    });
  }

  private register(): string {
    return `k${this.world.random.below(this.options.registers)}`;
  }

  private read(): string {
    const draw = this.world.random.next();
    if (draw < 0.3) return 'last';
    return draw < 0.4 ? 'length' : `get ${this.register()}`;
  }

  private write(client: number): string {
    const { random } = this.world;
    const token = `c${client}.${this.world.invocations.all.length}`;
    // Some values are long: their results travel as digests, and are not always kept in the reply cache.
    const value = random.chance(0.2) ? token.padEnd(LONGEST_VALUE, '.') : token;
    if (random.chance(this.options.durable)) return `sync ${token}`;
    const draw = random.next();
    if (draw < 0.35) return `append ${token}`;
    if (draw < 0.65) return `put ${this.register()} ${value}`;
    if (draw < 0.72) return `delete ${this.register()}`;
    if (draw < 0.84) return this.compareAndSwap(value);
    return this.read();
  }

  /** Against what the register held some time ago, so that some of them succeed. */
  private compareAndSwap(value: string): string {
    const key = this.register();
    const earlier = this.world.invocations.all.filter((each) => each.key === key && each.result !== undefined);
    return `cas ${key} ${earlier.at(-1)?.result ?? '-'} ${value}`;
  }
}
