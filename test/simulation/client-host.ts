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
  /** The last that has begun. */
  incarnation(): number;
  routeRequest(from: Address, client: number, to: ReplicaId, request: Request): void;
}

/** A correct client's process: the real client, its links always up as far as it knows. */
export class ClientHost {
  private readonly client: Client;
  private readonly configuration: Configuration;
  private readonly waiting = new Map<number, (result: string | undefined) => void>();
  private lostSessions = 0;

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

  /** `onResult` is called once, however long it takes; with nothing, if the outcome was lost with the session. */
  call(operation: string, readOnly: boolean, onResult: (result: string | undefined) => void): void {
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
    // A session ends with its incarnation, and for no other reason: no deadline, and sessions are few.
    if (ready.sessionLost) this.lostSessions++;
    const isExplained = this.lostSessions <= this.world.incarnation();
    for (const completion of ready.completed) {
      const onResult = this.waiting.get(completion.call);
      this.waiting.delete(completion.call);
      if (completion.kind === 'failed' && !isExplained) {
        throw new Violation('exactly-once', `client ${this.id}: ${completion.detail}`);
      }
      if (completion.kind === 'failed') onResult?.(undefined);
      if (completion.kind === 'result') onResult?.(Buffer.from(completion.result).toString());
    }
  }
}
