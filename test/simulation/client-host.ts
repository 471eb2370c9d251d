import { Client } from '../../src/pbft/client.js';
import { Configuration, type Optimizations } from '../../src/pbft/configuration.js';
import type { ReplicaId, Reply, Request } from '../../src/pbft/messages.js';
import { FakeAuthentication, seal } from './fake-authentication.js';
import type { Address } from './network.js';
import { Violation } from './violation.js';

const SLOTS = 4;

export interface ClientSurroundings {
  readonly f: number;
  readonly optimizations: Readonly<Optimizations>;
  now(): number;
  newInstance(): number;
  routeRequest(from: Address, client: number, to: ReplicaId, request: Request): void;
}

/** A correct client's process: the real client, its links always up as far as it knows. */
export class ClientHost {
  private readonly client: Client;
  private readonly configuration: Configuration;
  private readonly waiting = new Map<number, (result: string) => void>();

  constructor(
    readonly id: number,
    readonly address: Address,
    private readonly world: ClientSurroundings,
  ) {
    this.configuration = new Configuration(world.f, -1, world.optimizations);
    const { n } = this.configuration;
    const digests = new FakeAuthentication(-1);
    this.client = new Client({
      configuration: this.configuration,
      client: id,
      slots: SLOTS,
      ports: {
        seal: (request) => seal(request, n),
        resultDigest: (result) => digests.resultDigest(result),
        newInstance: () => world.newInstance(),
      },
    });
    for (let replica = 0; replica < n; replica++) this.client.linkUp(replica);
  }

  get counters(): Client['counters'] {
    return this.client.counters;
  }

  /** `onResult` is called once, however long it takes. */
  call(operation: string, readOnly: boolean, onResult: (result: string) => void): void {
    this.client.advanceClock(this.world.now());
    this.waiting.set(this.client.submit(Buffer.from(operation), readOnly, Number.POSITIVE_INFINITY), onResult);
    this.turn();
  }

  receive(reply: Reply, from: ReplicaId): void {
    this.client.advanceClock(this.world.now());
    this.client.receive(reply, from);
    this.turn();
  }

  tick(): void {
    this.client.tick(this.world.now());
    this.turn();
  }

  private turn(): void {
    const ready = this.client.takeReady();
    for (const { to, request } of ready.send) {
      for (let replica = 0; replica < this.configuration.n; replica++) {
        if (to === 'replicas' || to === replica) this.world.routeRequest(this.address, this.id, replica, request);
      }
    }
    for (const completion of ready.completed) {
      const onResult = this.waiting.get(completion.call);
      this.waiting.delete(completion.call);
      // No deadline, and sessions are few: nothing but a reply that lies about the slot can fail a correct client's call.
      if (completion.kind === 'failed') throw new Violation('exactly-once', `client ${this.id}: ${completion.detail}`);
      if (completion.kind === 'result') onResult?.(Buffer.from(completion.result).toString());
    }
  }
}
