import { describe, expect, it } from 'vitest';
import { Limits } from '../../../src/limits.js';
import { Configuration } from '../../../src/pbft/configuration.js';
import type { Core } from '../../../src/pbft/core.js';
import { DigestChain } from '../../../src/pbft/digest-chain.js';
import { Flushing } from '../../../src/pbft/flushing.js';
import { MessageLog } from '../../../src/pbft/log.js';
import type { FlushCertificate, Flushed, Reply } from '../../../src/pbft/messages.js';
import { Outbox, type Ready } from '../../../src/pbft/ready.js';
import { FakeAuthentication } from '../../simulation/fake-authentication.js';

const ME = 1;
const SESSION = { client: 0, instance: 1 };
const digestOf = (sequence: number): Uint8Array => Buffer.alloc(32, sequence);

/** The chain of batches that all replicas agree on. */
function chainUpTo(sequence: number): DigestChain {
  const chain = new DigestChain(new FakeAuthentication(0));
  chain.restore(sequence, () => undefined, digestOf);
  return chain;
}

const flushedBy = (replica: number, sequence: number, digest = chainUpTo(sequence).at(sequence)!): Flushed => ({
  kind: 'flushed',
  sequence,
  digest,
  signature: new FakeAuthentication(replica).signFlushed(sequence, digest),
});

function certificateOf(sequence: number, signers: readonly number[]): FlushCertificate {
  const { digest } = flushedBy(0, sequence);
  const signatures = signers.map((replica) => ({ replica, signature: flushedBy(replica, sequence).signature }));
  return { sequence, digest, signatures };
}

const replyTo = (slot: number): Reply => ({
  kind: 'reply',
  view: 0,
  tentative: false,
  instance: 1,
  slot,
  sequence: 1,
  status: 0,
});

/** The room by itself, among three others whose part the test plays. */
class Room {
  private readonly chain = new DigestChain(new FakeAuthentication(ME));
  private readonly core = {
    configuration: new Configuration(1, ME),
    authentication: new FakeAuthentication(ME),
    outbox: new Outbox(),
    log: new MessageLog(0, 0),
    now: 0,
  } as unknown as Core;
  readonly flushing: Flushing;

  /** Up to where it wanted empty batches to be ordered. */
  readonly filled: number[] = [];

  constructor(synced = false) {
    this.chain.restore(0, () => undefined, digestOf);
    this.flushing = new Flushing(this.core, this.chain, synced, (upTo) => this.filled.push(upTo));
  }

  /** A batch commits, with a durable call in each of those slots. */
  commit(sequence: number, ...slots: number[]): void {
    for (const slot of slots) this.flushing.reply(SESSION, replyTo(slot), sequence);
    this.chain.extend(sequence, digestOf(sequence), undefined);
    this.flushing.onCommitted(sequence);
  }

  pass(ms: number): void {
    this.core.now += ms;
    this.flushing.tick();
  }

  /** What the room wants done now, in a line. */
  turn(): { said: string; ready: Ready } {
    const ready = this.core.outbox.take();
    const said = [
      ...ready.persist.map((record) => `persist ${record.kind}`),
      ...ready.send.map(({ message }) => `${message.kind} ${(message as Flushed).sequence}`),
      ...ready.replies.map(({ reply }) => `reply in slot ${reply.slot}`),
      ...(ready.flush === undefined ? [] : ['flush']),
    ];
    return { said: said.join(', '), ready };
  }

  /** The flush that the last turn wanted is done; returns what the room wants then. */
  flush(ready: Ready): { said: string; ready: Ready } {
    this.flushing.flushed(ready.flush!);
    return this.turn();
  }

  get suspicions(): string[] {
    return [...this.core.outbox.suspicions.values()];
  }
}

describe('a durable reply', () => {
  it('leaves once 2f+1 have flushed, and the certificate of it is flushed too', () => {
    const room = new Room();
    room.commit(1, 5);
    const asked = room.turn();
    expect(asked.said).toBe('flush');
    expect(room.flush(asked.ready).said).toBe('flushed 1');
    room.flushing.onFlushed(flushedBy(0, 1), 0);
    expect(room.turn().said).toBe('');
    room.flushing.onFlushed(flushedBy(2, 1), 2);
    const certified = room.turn();
    expect(certified.said).toBe('persist flushed, flush');
    expect(room.flush(certified.ready).said).toBe('reply in slot 5');
    expect(room.flushing.certified).toBe(1);
  });

  it('has a checkpoint made if it waits: too many may not know the chain there any more', () => {
    const room = new Room();
    room.commit(1, 5);
    room.pass(900);
    expect(room.filled).toEqual([]);
    room.pass(200);
    expect(room.filled).toEqual([Limits.checkpointInterval]);
  });

  it('leaves at once where every vote was flushed before it was sent', () => {
    const room = new Room(true);
    room.commit(1, 5);
    expect(room.turn().said).toBe('reply in slot 5');
  });

  it('shares its FLUSHED with those of the batches that the same flush covers', () => {
    const room = new Room();
    room.commit(1, 0);
    room.commit(2);
    room.commit(3, 1);
    expect(room.flush(room.turn().ready).said).toBe('flushed 3');
    room.flushing.onFlushed(flushedBy(0, 3), 0);
    room.flushing.onFlushed(flushedBy(3, 3), 3);
    expect(room.flush(room.turn().ready).said).toBe('reply in slot 0, reply in slot 1');
  });

  it('finds a quorum where flushes fell differently: each signs what another has said', () => {
    const room = new Room();
    room.commit(1, 0);
    room.commit(2, 1);
    expect(room.flush(room.turn().ready).said).toBe('flushed 2');
    room.flushing.onFlushed(flushedBy(0, 1), 0);
    expect(room.turn().said).toBe('flushed 1');
    // Of what is not committed here yet, once it is.
    room.flushing.onFlushed(flushedBy(0, 3), 0);
    expect(room.turn().said).toBe('');
    room.commit(3);
    expect(room.flush(room.turn().ready).said).toBe('flushed 3');
  });

  it('of a call that was executed long ago is covered by any later certificate', () => {
    const room = new Room();
    for (let sequence = 1; sequence <= 700; sequence++) room.commit(sequence);
    room.flushing.reply(SESSION, replyTo(4), 2);
    const { ready } = room.turn();
    const { said } = room.flush(ready);
    const covering = Number(said.replace('flushed ', ''));
    expect(covering).toBeGreaterThan(2);
    expect(covering).toBeLessThanOrEqual(700);
  });

  it('leaves on a certificate that others send', () => {
    const room = new Room();
    room.commit(1, 5);
    room.turn();
    room.flushing.onCertificate({ kind: 'flushed-certificate', certificate: certificateOf(1, [0, 2, 3]) }, 2);
    expect(room.flush(room.turn().ready).said).toBe('reply in slot 5');
  });
});

describe('FLUSHED', () => {
  it('counts once for each replica, and only with its signature and the same digest', () => {
    const room = new Room();
    room.commit(1, 5);
    room.flush(room.turn().ready);
    room.flushing.onFlushed(flushedBy(0, 1), 0);
    room.flushing.onFlushed(flushedBy(0, 1), 0);
    room.flushing.onFlushed({ ...flushedBy(2, 1), signature: new Uint8Array(64) }, 2);
    room.flushing.onFlushed(flushedBy(3, 1, Buffer.alloc(32, 9)), 3);
    expect(room.turn().said).toBe('');
    expect(room.suspicions).toEqual(['flushed with a wrong signature', 'flushed with another digest']);
    room.flushing.onFlushed(flushedBy(3, 1), 3);
    expect(room.turn().said).toBe('persist flushed, flush');
  });

  it('is said once for each number, whichever flush covers it first', () => {
    const room = new Room();
    for (const sequence of [1, 2, 3]) room.commit(sequence, ...(sequence === 3 ? [0] : []));
    const first = room.turn().ready;
    room.flushing.onFlushed(flushedBy(0, 2), 0);
    const second = room.turn().ready;
    expect(room.flush(first).said).toBe('flushed 3');
    room.flushing.reply(SESSION, replyTo(7), 2);
    expect(room.turn().said).toBe('flushed 2');
    expect(room.flush(second).said).toBe('');
  });

  it.each([
    ['too few', certificateOf(1, [0, 2])],
    ['one twice', certificateOf(1, [0, 2, 2])],
    ['a replica that there is not', certificateOf(1, [0, 2, 4])],
    ['other numbers', { ...certificateOf(1, [0, 2, 3]), sequence: 2 }],
  ])('makes no certificate of %s', (_, certificate) => {
    const room = new Room();
    room.flushing.onCertificate({ kind: 'flushed-certificate', certificate }, 3);
    expect(room.turn().said).toBe('');
    expect(room.suspicions).toEqual(['invalid flush certificate']);
  });

  it('is sent again to whoever lacks a certificate, and the certificate instead once there is one', () => {
    const room = new Room();
    room.commit(1, 5);
    room.flush(room.turn().ready);
    room.flushing.resend(3, 0);
    expect(room.turn().said).toBe('flushed 1');
    room.flushing.onCertificate({ kind: 'flushed-certificate', certificate: certificateOf(1, [0, 2, 3]) }, 2);
    room.turn();
    room.flushing.resend(3, 0);
    expect(room.turn().ready.send).toMatchObject([{ to: 3, message: { kind: 'flushed-certificate' } }]);
    room.flushing.resend(3, 1);
    expect(room.turn().said).toBe('');
  });
});

describe('the digest chain', () => {
  it('is the same after a restart, from the last checkpoint', () => {
    const authentication = new FakeAuthentication(ME);
    const state = Buffer.alloc(32, 77);
    const whole = new DigestChain(authentication);
    whole.restore(0, () => undefined, digestOf);
    for (let sequence = 1; sequence <= 130; sequence++) {
      whole.extend(sequence, digestOf(sequence), sequence === 128 ? state : undefined);
    }
    const restored = new DigestChain(authentication);
    restored.restore(130, (sequence) => (sequence === 128 ? state : undefined), digestOf);
    expect(restored.at(130)).toEqual(whole.at(130));
    expect(restored.at(127)).toBeUndefined();
    expect(restored.firstFrom(5)).toBe(128);
  });

  it('differs where any batch, number or state before it differs', () => {
    const chains = [
      chainUpTo(3).at(3),
      chainUpTo(2).at(2),
      ...[1, 2, 3].map((changed) => {
        const chain = new DigestChain(new FakeAuthentication(0));
        chain.restore(
          3,
          () => undefined,
          (sequence) => digestOf(sequence === changed ? 200 : sequence),
        );
        return chain.at(3);
      }),
    ];
    expect(new Set(chains.map((each) => Buffer.from(each!).toString('hex'))).size).toBe(chains.length);
  });
});
