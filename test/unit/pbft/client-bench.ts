import { expect } from 'vitest';
import { Client, type ClientReady } from '../../../src/pbft/client.js';
import { ALL_OPTIMIZATIONS, Configuration } from '../../../src/pbft/configuration.js';
import { type Reply, ReplyStatus, type Request } from '../../../src/pbft/messages.js';
import { FakeAuthentication, seal } from '../../simulation/fake-authentication.js';

/** A client of four replicas whose answers the test gives, with an open session. */
export class Bench {
  instance = 0;
  readonly client: Client;
  now = 0;

  constructor(slots = 2, optimizations = ALL_OPTIMIZATIONS) {
    this.client = new Client({
      configuration: new Configuration(1, -1, optimizations),
      client: 7,
      slots,
      ports: {
        seal: (request) => seal(request, 4),
        resultDigest: (result) => new FakeAuthentication(0).resultDigest(result),
        newInstance: () => ++this.instance,
      },
    });
    for (const replica of [0, 1, 2, 3]) this.client.linkUp(replica);
  }

  /** Submits a first call so that the session is opened, and answers both. */
  open(): this {
    this.client.submit(Buffer.from('first'), false, 1e9);
    const [{ request }] = this.turn().send;
    this.answer(request, [0, 1, 2], { result: Buffer.alloc(0) });
    const [{ request: first }] = this.turn().send;
    this.answer(first, [0, 1, 2], { result: Buffer.from('done') });
    expect(this.turn().completed).toHaveLength(1);
    return this;
  }

  turn(): ClientReady {
    return this.client.takeReady();
  }

  answer(request: Request, replicas: number[], answer: Partial<Reply>, call = request.calls[0]): void {
    const { slot, sequence } = call;
    const { instance } = request.session;
    for (const replica of replicas) {
      this.client.receive(
        { kind: 'reply', view: 0, tentative: false, instance, slot, sequence, status: ReplyStatus.Ok, ...answer },
        replica,
      );
    }
  }

  pass(ms: number): void {
    this.now += ms;
    this.client.tick(this.now);
  }
}

export const result = (text: string) => ({ result: Buffer.from(text) });
