import { Configuration } from '../../../src/pbft/configuration.js';
import { CallKind, type ReplicaId, type Request, SESSION_SLOT } from '../../../src/pbft/messages.js';
import { openSessionOperation } from '../../../src/pbft/sessions.js';
import { seal } from '../fake-authentication.js';
import type { Random } from '../random.js';

const SLOTS = 4;

export interface ByzantineClientSurroundings {
  readonly f: number;
  readonly random: Random;
  newInstance(): number;
  /** The last that has begun. */
  incarnation(): number;
  /** Something that may be executed, at any time from now on, at most once, or never. */
  mayHappen(operation: string): void;
  send(client: number, to: ReplicaId, request: Request): void;
}

/**
 * A client that does with its own key all it can: authenticators that are right for some replicas only, no signature,
 * one slot number for different requests, different requests to different replicas or to one only, writes flagged read-only.
 */
export class ByzantineClient {
  private readonly n: number;
  private readonly instance: number;
  private opened = 0;
  private readonly slots = new Array<number>(SLOTS).fill(0);
  private made = 0;

  constructor(
    readonly id: number,
    private readonly world: ByzantineClientSurroundings,
  ) {
    this.n = new Configuration(world.f, -1).n;
    this.instance = world.newInstance();
  }

  tick(): void {
    const { random } = this.world;
    if (this.opened++ % 20 === 0) return this.open();
    if (!random.chance(0.3)) return;
    const slot = random.below(SLOTS);
    const last = this.slots[slot];
    const sequence = random.chance(0.7) ? ++this.slots[slot] : last + random.below(3);
    const one = this.request(slot, sequence);
    const other = random.chance(0.3) ? this.request(slot, sequence) : one;
    const share = random.pick([0.8, 0.3]);
    for (let to = 0; to < this.n; to++) {
      if (random.chance(share)) this.world.send(this.id, to, this.mistreat(random.chance(0.5) ? one : other));
    }
  }

  private open(): void {
    const operation = openSessionOperation(SLOTS, this.world.incarnation());
    const calls = [{ kind: CallKind.OpenSession, slot: SESSION_SLOT, sequence: 1, operation }];
    const session = { client: this.id, instance: this.instance };
    const request = seal({ session, readOnly: false, replier: 0, calls }, this.n);
    for (let to = 0; to < this.n; to++) this.world.send(this.id, to, request);
  }

  private request(slot: number, sequence: number): Request {
    const { random } = this.world;
    const token = `x${this.id}.${++this.made}`;
    const operation = random.chance(0.5) ? `append ${token}` : `put k${random.below(6)} ${token}`;
    this.world.mayHappen(operation);
    const session = { client: this.id, instance: this.instance };
    const calls = [{ kind: CallKind.Service, slot, sequence, operation: Buffer.from(operation) }];
    return seal({ session, readOnly: random.chance(0.1), replier: random.below(this.n), calls }, this.n);
  }

  private mistreat(request: Request): Request {
    const { random } = this.world;
    const authenticator = request.authenticator.map((mac) => (random.chance(0.4) ? 0 : mac));
    if (random.chance(0.3)) return { ...request, authenticator };
    if (random.chance(0.1)) return { ...request, authenticator, signature: new Uint8Array(request.signature.length) };
    return request;
  }
}
