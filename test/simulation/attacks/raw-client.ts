import { Configuration } from '../../../src/pbft/configuration.js';
import { CallKind, type ReplicaId, type Request, SESSION_SLOT } from '../../../src/pbft/messages.js';
import { openSessionOperation } from '../../../src/pbft/sessions.js';
import { seal } from '../fake-authentication.js';
import type { World } from '../world.js';

const SLOTS = 4;

/** A client's key and link, in the hands of an attack. */
export class RawClient {
  private readonly n: number;

  private readonly instance: number;

  constructor(
    private readonly world: World,
    readonly client: number,
  ) {
    this.n = new Configuration(world.f, -1).n;
    this.instance = world.newInstance();
  }

  open(): void {
    const operation = openSessionOperation(SLOTS, 0);
    this.sendAll(this.seal({ kind: CallKind.OpenSession, slot: SESSION_SLOT, sequence: 1, operation }));
  }

  request(slot: number, sequence: number, operation: string): Request {
    const { world, client } = this;
    world.invocations.mayHappen(client, operation, world.now);
    return this.seal({ kind: CallKind.Service, slot, sequence, operation: Buffer.from(operation) });
  }

  private seal(call: Request['calls'][number]): Request {
    const session = { client: this.client, instance: this.instance };
    return seal({ session, readOnly: false, replier: 0, calls: [call] }, this.n);
  }

  send(request: Request, ...to: ReplicaId[]): void {
    for (const each of to) this.world.sendRequest(this.client, each, request);
  }

  sendAll(request: Request): void {
    for (let to = 0; to < this.n; to++) this.send(request, to);
  }
}
