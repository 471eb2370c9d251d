import type { Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Signables } from '../../../src/crypto/signables.js';
import { Intake } from '../../../src/net/intake.js';
import { Pace, Paces } from '../../../src/net/pace.js';
import { TokenBucket } from '../../../src/net/token-bucket.js';
import { EVERYONE, type Message, READ_ONLY_SLOT, type Request } from '../../../src/pbft/messages.js';
import { encodeMessage } from '../../../src/wire/codec.js';
import { encodeRequestBody } from '../../../src/wire/request-body.js';
import { closeAll, startClient, startReplica, testCluster, until } from './harness.js';

const signables = new Signables(Buffer.alloc(32, 0xc1));

function request(sequence: number, calls = 1, readOnly = false, bytes = 0): Request {
  const operation = Buffer.alloc(bytes);
  const call = (slot: number) => ({ kind: 0, slot: readOnly ? READ_ONLY_SLOT : slot, sequence, operation });
  const unsealed = { session: { client: 0, instance: 1 }, readOnly, replier: EVERYONE };
  const content = { ...unsealed, calls: Array.from({ length: calls }, (_, i) => call(i)) };
  const body = encodeRequestBody(content);
  const sealed = { authenticator: Buffer.alloc(16), signature: Buffer.alloc(readOnly ? 0 : 64) };
  return { kind: 'request', ...content, body, digest: signables.request(body), ...sealed };
}

describe('a token bucket', () => {
  it('gives so many a second, and no more at once than it keeps', () => {
    let now = 0;
    const bucket = new TokenBucket(10, 5, () => now);
    const taken = (): number => {
      let count = 0;
      while (bucket.take(1)) count++;
      return count;
    };
    expect(bucket.isFull).toBe(true);
    expect(taken()).toBe(5);
    expect(bucket.waitMs).toBe(100);
    now = 99;
    expect(taken()).toBe(0);
    now = 100;
    expect(taken()).toBe(1);
    now = 60_000;
    expect(taken()).toBe(5);
    let all = 0;
    for (; now <= 70_000; now += 8) all += taken();
    // Sums of fractions: one may still be short of a whole token.
    expect(100 - all).toBeOneOf([0, 1]);
  });

  it('lets pass what costs more than it keeps, and then has it paid', () => {
    let now = 0;
    const bucket = new TokenBucket(10, 5, () => now);
    expect(bucket.take(256)).toBe(true);
    expect(bucket.waitMs).toBe(25_200);
    now = 25_199;
    expect(bucket.take(1)).toBe(false);
    now = 25_200;
    expect(bucket.take(1)).toBe(true);
  });
});

describe('the pace of a client', () => {
  it('counts calls, and once each that is sent again, but reads and all else each time', () => {
    const pace = new Pace(10, () => 0);
    expect(pace.admits(request(1, 4))).toBe(true);
    for (let i = 0; i < 20; i++) expect(pace.admits(request(1, 4))).toBe(true);
    expect(pace.admits(request(2, 1, true))).toBe(true);
    expect(pace.admits(request(2, 1, true))).toBe(true);
    expect(pace.admits({ kind: 'inspect', scrub: false })).toBe(true);
    expect(pace.admits(undefined)).toBe(true);
    expect(pace.admits(request(3, 2))).toBe(true);
    for (const message of [request(4), request(2, 1, true), undefined, { kind: 'attach', instance: 1 } as Message]) {
      expect(pace.admits(message)).toBe(false);
    }
    // Not admitted is not known: it costs its calls when it is.
    expect(pace.admits(request(4))).toBe(false);
    expect(pace.admits(request(3, 2))).toBe(true);
  });

  it('bounds what is sent again too, by number and by bytes, and frames without messages', () => {
    let now = 0;
    const pace = new Pace(1, () => now);
    const large = request(1, 1, false, 400 * 1024);
    expect(pace.admits(large)).toBe(true);
    let repeated = 0;
    while (pace.admits(large)) repeated++;
    expect(repeated).toBeLessThan(15);
    now = 1000;
    let empty = 0;
    while (pace.onEmptyFrame()) empty++;
    expect(empty).toBeLessThanOrEqual(1000);
  });

  it('is the same for all links, and those that come later', () => {
    const rates = new Map([[3, 10]]);
    const paces = new Paces((client) => rates.get(client));
    const pace = paces.of(3);
    expect(paces.of(3)).toBe(pace);
    expect(paces.of(4)).toBeUndefined();
    rates.set(3, 20);
    expect(paces.of(3)?.rate).toBe(20);
  });
});

describe('what is read of a client', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  function link(pace: Pace) {
    const handled: number[] = [];
    const calls: string[] = [];
    const socket = { pause: () => calls.push('pause'), resume: () => calls.push('resume') } as unknown as Socket;
    const intake: Intake = new Intake(socket, pace, (item) => {
      if (!pace.admits(request(item[0]))) return false;
      handled.push(item[0]);
      return true;
    });
    return { handled, calls, intake };
  }

  it('waits with its socket paused, and goes on in order when its time has come', () => {
    const { handled, calls, intake } = link(new Pace(10));
    for (let i = 0; i < 25; i++) intake.take(Buffer.from([i]));
    expect(handled.length).toBe(10);
    expect([calls, intake.isPaused]).toEqual([['pause'], true]);
    vi.advanceTimersByTime(1000);
    expect(handled.length).toBe(20);
    expect(calls).toEqual(['pause']);
    vi.advanceTimersByTime(500);
    expect(handled).toEqual(Array.from({ length: 25 }, (_, i) => i));
    expect([calls, intake.isPaused]).toEqual([['pause', 'resume'], false]);
    vi.advanceTimersByTime(60_000);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is shared by its links, each having its turn', () => {
    const pace = new Pace(10);
    const links = [link(pace), link(pace)];
    for (const { intake } of links) for (let i = 0; i < 100; i++) intake.take(Buffer.from([i]));
    // Each has its own requests in truth: here the second sends what the first did, and that costs nothing.
    expect(links.map(({ handled }) => handled.length)).toEqual([10, 10]);
    vi.advanceTimersByTime(3000);
    expect(links.map(({ handled }) => handled.length)).toEqual([40, 40]);
  });

  it('is let go of when the link is down', () => {
    const { handled, intake } = link(new Pace(1));
    for (let i = 0; i < 5; i++) intake.take(Buffer.from([i]));
    intake.stop();
    vi.advanceTimersByTime(60_000);
    expect(handled).toEqual([0]);
  });
});

describe('links of a client that has a rate', () => {
  afterEach(closeAll);

  const FAST = { heartbeatMs: 20, silentHeartbeats: 5, rekeyMs: 30 };

  async function limited(rate: number, timings = {}) {
    const cluster = testCluster(1);
    const replica = await startReplica(cluster, 0, timings, 0, (client) => (client === 0 ? rate : undefined));
    const [fast, other] = [startClient(cluster, 0, timings), startClient(cluster, 1, timings)];
    await until('links', () => [fast, other].every(({ handler }) => handler.up.length === 1));
    const handled = (): number[] =>
      replica.handler.messages.flatMap(({ message }) => (message.kind === 'request' ? message.calls[0].sequence : []));
    return { replica, fast: fast.handler.up[0], other: other.handler.up[0], handled, down: fast.handler.down };
  }

  it('are paused for long without being taken for dead, and everything arrives', async () => {
    const { replica, fast, handled, down } = await limited(4, FAST);
    for (let i = 0; i < 12; i++) fast.send(encodeMessage(request(i)));
    // Two seconds, where a tenth of silence is the end.
    await until('all', () => handled().length === 12, 20_000);
    expect(handled()).toEqual(Array.from({ length: 12 }, (_, i) => i));
    expect([down, replica.handler.down]).toEqual([[], []]);
    await until('new keys', () => replica.endpoint.counters.rekeys > 2);
  });

  it('fill nothing but their own sockets, and hold nobody else up', async () => {
    const { replica, fast, other, handled } = await limited(2);
    const mebibyte = 1024 * 1024;
    let sent = 0;
    while (fast.queuedBytes < 16 * mebibyte) {
      fast.send(encodeMessage(request(sent++, 1, false, 100_000)));
      fast.flush();
      if (sent % 16 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
    for (let i = 0; i < 50; i++) other.send(encodeMessage({ kind: 'inspect', scrub: false }));
    await until(
      'the other client',
      () => replica.handler.messages.filter(({ message }) => message.kind === 'inspect').length === 50,
    );
    // What it may, and no more than a little has been taken out of the socket.
    expect(handled().length).toBeLessThan(sent / 4);
    expect(replica.endpoint.counters.received.bytes).toBeLessThan((handled().length + 20) * 100_000);
  });
});
