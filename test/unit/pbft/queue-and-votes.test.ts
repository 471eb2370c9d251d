import { describe, expect, it } from 'vitest';
import { Limits } from '../../../src/limits.js';
import type { Request } from '../../../src/pbft/messages.js';
import { ReplyVotes } from '../../../src/pbft/reply-votes.js';
import { RequestQueue } from '../../../src/pbft/request-queue.js';
import { Votes } from '../../../src/pbft/votes.js';

let number = 0;
function request(client: number, bytes = 10): Request {
  const digest = Buffer.alloc(32);
  digest.writeUInt32BE(++number);
  const empty = new Uint8Array(0);
  const session = { client, instance: 1 };
  const body = new Uint8Array(bytes);
  return {
    kind: 'request',
    session,
    readOnly: false,
    replier: 0,
    calls: [],
    body,
    digest,
    authenticator: empty,
    signature: empty,
  };
}

describe('request queue', () => {
  it('takes from clients in turn, however much one of them asks', () => {
    const queue = new RequestQueue();
    for (let i = 0; i < 400; i++) queue.add(request(1), true);
    queue.add(request(2), true);
    queue.add(request(3), true);
    const clients = queue.takeBatch().map(({ session }) => session.client);
    expect(clients.slice(0, 4)).toEqual([1, 2, 3, 1]);
    expect(clients).toHaveLength(Limits.batchRequests);
  });

  it('queues a request once until it is executed', () => {
    const queue = new RequestQueue();
    const once = request(1);
    expect(queue.add(once, true)).toBe('queued');
    expect(queue.add(once, true)).toBe('duplicate');
    expect(queue.takeBatch()).toEqual([once]);
    expect(queue.add(once, true)).toBe('duplicate');
    queue.remove(once);
    expect(queue.add(once, true)).toBe('queued');
  });

  it('is bounded for each client, in requests and in bytes', () => {
    const queue = new RequestQueue();
    for (let i = 0; i < Limits.pendingRequestsPerClient; i++) queue.add(request(1), true);
    expect(queue.add(request(1), true)).toBe('full');
    expect(queue.add(request(2, Limits.pendingBytesPerClient), true)).toBe('queued');
    expect(queue.add(request(2), true)).toBe('full');
  });

  it('gives every client a turn to be the oldest that waits', () => {
    const queue = new RequestQueue();
    const requests = [1, 5, 9].map((client) => request(client));
    for (const each of requests) queue.add(each, false);
    expect([-1, 1, 5, 9].map((client) => queue.clientAfter(client))).toEqual([1, 5, 9, 1]);
    expect(queue.oldest(5)?.request).toBe(requests[1]);
    queue.remove(requests[1]);
    expect(queue.clientAfter(1)).toBe(9);
    expect(queue.oldest(5)).toBe(undefined);
  });

  it('proposes again in the next view what was proposed and not executed, but for what that view began with', () => {
    const queue = new RequestQueue();
    const requests = [request(1), request(1), request(1)];
    for (const each of requests) queue.add(each, true);
    queue.takeBatch();
    queue.remove(requests[0]);
    expect(queue.empty).toBe(true);
    queue.viewEnded();
    queue.reproposed(requests[2]);
    expect(queue.empty).toBe(false);
    expect(queue.takeBatch()).toEqual([requests[1]]);
    expect(queue.empty).toBe(true);
  });

  it('closes a batch at its limit of bytes, and gives a request over it a batch of its own', () => {
    const queue = new RequestQueue();
    queue.add(request(1, Limits.batchBytes - 5), true);
    queue.add(request(1, 10), true);
    queue.add(request(1, Limits.batchBytes + 1), true);
    expect([queue.takeBatch().length, queue.takeBatch().length, queue.takeBatch().length]).toEqual([1, 1, 1]);
    expect(queue.empty).toBe(true);
  });
});

describe('votes', () => {
  const a = new Uint8Array(32).fill(1);
  const b = new Uint8Array(32).fill(2);

  it('counts each sender once, its first word in a view', () => {
    const votes = new Votes();
    expect(votes.add(1, 0, a)).toBe(true);
    expect(votes.add(1, 0, a)).toBe(false);
    expect(votes.add(1, 0, b)).toBe(false);
    votes.add(2, 0, b);
    expect([votes.count(0, a), votes.count(0, b)]).toEqual([1, 1]);
  });

  it('counts only votes of one view', () => {
    const votes = new Votes();
    votes.add(1, 0, a);
    votes.add(2, 1, a);
    expect([votes.count(0, a), votes.count(1, a)]).toEqual([1, 1]);
    votes.add(1, 1, a);
    expect([votes.count(0, a), votes.count(1, a)]).toEqual([0, 2]);
    expect(votes.add(1, 0, a)).toBe(false);
  });
});

describe('reply votes', () => {
  const digest = (result: Uint8Array): Uint8Array => new Uint8Array(32).fill(result[0]);
  const one = Uint8Array.of(1);
  const two = Uint8Array.of(2);
  const reply = (answer: object) => ({
    kind: 'reply' as const,
    tentative: false,
    view: 0,
    instance: 1,
    slot: 0,
    sequence: 1,
    status: 0,
    ...answer,
  });

  it('matches results with digests, and has no result before someone sends it', () => {
    const votes = new ReplyVotes(digest);
    votes.add(reply({ resultDigest: digest(one) }), 0);
    votes.add(reply({ resultDigest: digest(one) }), 1);
    votes.add(reply({ resultDigest: digest(one) }), 2);
    expect(votes.agreed(3)).toMatchObject({ status: 0, result: undefined });
    votes.add(reply({ result: one }), 3);
    expect(votes.agreed(3)?.result).toEqual(one);
  });

  it('never takes a result that its digest does not vouch for', () => {
    const votes = new ReplyVotes(digest);
    votes.add(reply({ resultDigest: digest(one) }), 0);
    votes.add(reply({ resultDigest: digest(one) }), 1);
    votes.add(reply({ result: two }), 2);
    votes.add(reply({ resultDigest: digest(one) }), 3);
    expect(votes.agreed(3)).toMatchObject({ status: 0, result: undefined });
    expect(votes.dissenters(3)).toEqual([2]);
  });

  it('counts a replica once, by its latest answer', () => {
    const votes = new ReplyVotes(digest);
    for (let i = 0; i < 5; i++) votes.add(reply({ result: one }), 0);
    votes.add(reply({ result: one }), 1);
    expect(votes.agreed(3)).toBeUndefined();
    votes.add(reply({ result: two }), 0);
    votes.add(reply({ result: one }), 2);
    expect(votes.agreed(3)).toBeUndefined();
    votes.add(reply({ result: one }), 0);
    expect(votes.agreed(3)?.result).toEqual(one);
  });

  it('tells results from refusals with the same bytes', () => {
    const votes = new ReplyVotes(digest);
    votes.add(reply({ status: 1 }), 0);
    votes.add(reply({ status: 2 }), 1);
    votes.add(reply({}), 2);
    expect(votes.agreed(2)).toBeUndefined();
    expect(votes.possible(3, 1)).toBe(false);
    expect(votes.possible(2, 1)).toBe(true);
  });
});
