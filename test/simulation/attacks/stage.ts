import { assert } from '../../../src/limits.js';
import { isWhole } from '../../../src/pbft/bodies.js';
import type { Batch, PrePrepare, ReplicaId, ReplicaMessage, Reply } from '../../../src/pbft/messages.js';
import { type Claims, honesty, type Puppet, silence } from '../byzantine/puppet.js';
import type { Invocation } from '../checkers/invocations.js';
import { type Address, FIRST_CLIENT } from '../network.js';
import type { Random } from '../random.js';
import type { ReplicaHost } from '../replica-host.js';
import { Violation } from '../violation.js';
import type { Censor, World } from '../world.js';

/** The replicas did not go where the attack led them: it proves nothing, either way. */
export class Fizzled extends Error {
  override name = 'Fizzled';
}

export interface Proposal extends Pick<PrePrepare, 'view' | 'sequence'> {
  batch: Batch;
}

/** Requests are small here: a primary sends them whole. */
export function wholeBatchOf({ batch }: PrePrepare): Batch {
  assert(isWhole(batch), 'a primary sends small requests whole');
  return batch;
}

/** What an attack does to the world: loses messages, waits for a moment, and leads its puppet. */
export class Stage {
  readonly random: Random;
  private tokens = 0;
  private readonly heals: (() => void)[] = [];

  constructor(
    readonly world: World,
    private readonly led: readonly Puppet[],
  ) {
    this.random = world.random;
  }

  get puppet(): Puppet {
    if (this.led.length === 0) throw new Error('the attack names no puppet');
    return this.led[0];
  }

  get accomplice(): Puppet {
    if (this.led.length < 2) throw new Error('the attack names no accomplice');
    return this.led[1];
  }

  host(id: ReplicaId): ReplicaHost {
    return this.world.hosts[id];
  }

  /** Some of the others, in random order. */
  shuffled(...ids: ReplicaId[]): ReplicaId[] {
    for (let i = ids.length - 1; i > 0; i--) {
      const j = this.random.below(i + 1);
      [ids[i], ids[j]] = [ids[j], ids[i]];
    }
    return ids;
  }

  token(): string {
    return `t${++this.tokens}`;
  }

  append(client: number): Invocation {
    return this.world.call(client, `append ${this.token()}`);
  }

  run(ms: number): void {
    this.world.run(ms);
  }

  /** Waits for something that a mutant, or bad luck, may prevent. */
  within(ms: number, condition: () => boolean): boolean {
    return this.world.runUntil(condition, ms);
  }

  /** Waits for what the attack rests on. */
  until(what: string, condition: () => boolean, limitMs = 3000): void {
    if (!this.world.runUntil(condition, limitMs)) throw new Fizzled(what);
  }

  answered(...calls: Invocation[]): boolean {
    return calls.every(({ result }) => result !== undefined);
  }

  /** All is quiet: what was agreed is executed everywhere. */
  settle(): void {
    this.until('replicas do not settle', () => this.world.divergence() === undefined, 5000);
    this.run(this.random.between(20, 60));
  }

  /** Undoes all that was done to network and puppet. */
  abandon(): void {
    for (const heal of this.heals) heal();
    for (const puppet of this.led) puppet.reform();
  }

  private healable(heal: () => void): () => void {
    this.heals.push(heal);
    return heal;
  }

  /** What the censor says is lost, until the function returned is called. */
  lose(censor: Censor): () => void {
    this.world.censors.add(censor);
    return this.healable(() => this.world.censors.delete(censor));
  }

  /** Of messages between replicas, those of some kinds are lost, where the condition holds. */
  loseKinds(kinds: readonly ReplicaMessage['kind'][], condition: (from: Address, to: Address) => boolean): () => void {
    return this.lose(
      (message, from, to) =>
        from < FIRST_CLIENT &&
        to < FIRST_CLIENT &&
        (kinds as readonly string[]).includes(message.kind) &&
        condition(from, to),
    );
  }

  /** From the other replicas, and from clients too unless they are spared. */
  isolate(id: ReplicaId, spareClients = false): () => void {
    const { world } = this;
    const all = world.hosts.map(({ address }) => address);
    return this.healable(world.network.separate([id], spareClients ? all : [...all, ...world.clientAddresses]));
  }

  /** The power fails at all replicas at once, the puppet's too, and is back at once. */
  blackout(): void {
    const { hosts } = this.world;
    for (const host of hosts) host.losePower();
    for (const host of hosts) host.start();
  }

  /** Cuts a client off from some replicas, on its way to them. */
  cutOff(client: number, ...replicas: ReplicaId[]): () => void {
    return this.healable(this.world.network.cut([FIRST_CLIENT + client], replicas));
  }

  /** What a replica has on record as decided for a number. */
  decided(id: ReplicaId, sequence: number): Batch {
    const { disk } = this.host(id);
    const digest = disk.digest(sequence);
    const batch = digest && disk.batch(sequence, digest);
    if (batch === undefined) throw new Fizzled(`nothing is on record for ${sequence}`);
    return batch;
  }

  hasCommitted(id: ReplicaId, sequence: number): boolean {
    const { state } = this.host(id);
    return state.lastExecuted > sequence || (state.lastExecuted === sequence && !state.isTentative);
  }

  hasPrepared(id: ReplicaId, sequence: number): boolean {
    return this.host(id).state.lastExecuted >= sequence;
  }

  viewOf(id: ReplicaId): number {
    return this.host(id).replica?.describe().view ?? -1;
  }

  stableAt(id: ReplicaId): number {
    return this.host(id).replica?.describe().stableCheckpoint ?? 0;
  }

  incarnationOf(id: ReplicaId): number {
    return this.host(id).replica?.describe().incarnation ?? 0;
  }

  /** Whether the replica has entered that view, or a later one. */
  isIn(view: number, ...ids: ReplicaId[]): boolean {
    return ids.every((id) => {
      const is = this.host(id).replica?.describe();
      return is !== undefined && (is.view > view || (is.view === view && is.state !== 'view-change'));
    });
  }

  /** Whether it has left the view before, and waits for this one, or a later, to begin. */
  waitsFor(view: number, ...ids: ReplicaId[]): boolean {
    return ids.every((id) => {
      const is = this.host(id).replica?.describe();
      return is !== undefined && is.view >= view && is.state === 'view-change';
    });
  }

  /** The puppet, as primary, takes a client's request, keeps its proposal to itself, and falls silent. */
  captureProposal(ask: () => void): Proposal {
    const { puppet } = this;
    let proposal: Proposal | undefined;
    puppet.says = (message) => {
      if (message.kind === 'pre-prepare') proposal ??= { ...message, batch: wholeBatchOf(message) };
      return [];
    };
    ask();
    this.until('the puppet proposes nothing', () => proposal !== undefined);
    puppet.says = silence;
    return proposal!;
  }

  /** The puppet, which was faulty in view 0, says nothing more of it, and in later views what it likes. */
  lieOfFirstView(claims: (view: number) => Claims = () => ({})): void {
    const { puppet } = this;
    puppet.says = (message, to) => {
      if ('view' in message && message.view === 0) return [];
      if (message.kind === 'view-change') return [puppet.viewChange(message.view, claims(message.view))];
      return honesty(message, to);
    };
  }

  propose({ view, sequence }: Proposal, batch: Batch, ...to: ReplicaId[]): void {
    for (const each of to) this.puppet.tell(each, { kind: 'pre-prepare', view, sequence, batch });
  }

  /** The puppet tells clients what those replicas tell them, as if it were final, and nothing else. */
  parrot(...admired: ReplicaId[]): () => void {
    const { world, puppet } = this;
    const own = this.host(puppet.id);
    puppet.parrots = true;
    const heal = this.lose((message, from, to) => {
      if (message.kind === 'reply' && admired.includes(from) && message.result !== undefined) {
        const session = { client: to - FIRST_CLIENT, instance: message.instance };
        world.routeReply(own, { to: session, reply: { ...(message as Reply), tentative: false } });
      }
      return false;
    });
    return () => {
      heal();
      puppet.parrots = false;
    };
  }

  /** Correct replicas leave no view for that long: there is nothing wrong with any primary. */
  mustStay(ms: number, why: string): void {
    const before = this.world.correctPrimariesLeft;
    this.run(ms);
    if (this.world.correctPrimariesLeft === before) return;
    throw new Violation('progress', `a view was left whose primary was correct, though only ${why}`);
  }

  mustBeAnswered(call: Invocation, ms: number, why: string): void {
    if (this.within(ms, () => this.answered(call))) return;
    throw new Violation('progress', `${call.operation} has no answer after ${ms} ms, though only ${why}`);
  }
}
