import { describe, expect, it } from 'vitest';
import { Limits } from '../../../src/limits.js';
import { ALL_OPTIMIZATIONS } from '../../../src/pbft/configuration.js';
import { CallKind, EVERYONE, READ_ONLY_SLOT, ReplyStatus } from '../../../src/pbft/messages.js';
import { FakeAuthentication } from '../../simulation/fake-authentication.js';
import { Bench, result } from './client-bench.js';

describe('client', () => {
  it('sends a large request to all replicas, one that is not to the primary, unless large ones go with the batch', () => {
    const all = new Bench().open();
    all.client.submit(Buffer.alloc(Limits.inlineRequestBytes), false, 1e9);
    expect(all.turn().send.map(({ to }) => to)).toEqual(['replicas']);
    all.client.submit(Buffer.alloc(Limits.inlineRequestBytes / 2), false, 1e9);
    expect(all.turn().send.map(({ to }) => to)).toEqual([0]);
    const one = new Bench(2, { ...ALL_OPTIMIZATIONS, separateRequests: false }).open();
    one.client.submit(Buffer.alloc(Limits.inlineRequestBytes), false, 1e9);
    expect(one.turn().send.map(({ to }) => to)).toEqual([0]);
  });

  it('sends one call a request where nothing is batched, and orders reads where they are not answered at once', () => {
    const bench = new Bench(2, { ...ALL_OPTIMIZATIONS, batching: false, directReads: false }).open();
    bench.client.submit(Buffer.from('a'), false, 1e9);
    bench.client.submit(Buffer.from('b'), true, 1e9);
    const sent = bench.turn().send.map(({ request }) => [request.calls.length, request.readOnly]);
    expect(sent).toEqual([
      [1, false],
      [1, false],
    ]);
  });

  it('opens its session before its first call, and sends a turn of calls as one request to the primary', () => {
    const bench = new Bench();
    bench.client.submit(Buffer.from('a'), false, 1e9);
    bench.client.submit(Buffer.from('b'), false, 1e9);
    const opening = bench.turn();
    expect(opening.attach).toBe(1);
    expect(opening.send[0].request.calls[0].kind).toBe(CallKind.OpenSession);
    bench.answer(opening.send[0].request, [0, 1, 3], { result: Buffer.alloc(0) });
    const { send } = bench.turn();
    expect(send).toHaveLength(1);
    expect(send[0].to).toBe(0);
    expect(send[0].request.calls.map(({ sequence }) => sequence)).toEqual([1, 1]);
  });

  it('takes 2f+1 matching answers, and not one fewer', () => {
    const bench = new Bench().open();
    bench.client.submit(Buffer.from('a'), false, 1e9);
    const [{ request }] = bench.turn().send;
    bench.answer(request, [0, 1], result('right'));
    bench.answer(request, [2], result('wrong'));
    expect(bench.turn().completed).toEqual([]);
    bench.answer(request, [3], result('right'));
    expect(bench.turn().completed).toEqual([{ kind: 'result', call: expect.any(Number), ...result('right') }]);
  });

  it('gives up for good when f+1 replicas say that it was revoked', () => {
    const bench = new Bench(1).open();
    bench.client.submit(Buffer.from('a'), false, 1e9);
    bench.client.submit(Buffer.from('b'), false, 1e9);
    expect(bench.turn().send).toHaveLength(1);
    bench.client.onRevoked(2);
    bench.client.onRevoked(2);
    expect(bench.turn()).toMatchObject({ revoked: false, completed: [] });
    bench.client.onRevoked(3);
    const told = bench.turn();
    expect(told).toMatchObject({ revoked: true, sessionLost: true, send: [] });
    expect(told.completed.map((each) => [each.kind, 'failure' in each && each.failure])).toEqual([
      ['failed', 'revoked'],
      ['failed', 'revoked'],
    ]);
    bench.client.submit(Buffer.from('c'), true, 1e9);
    const { revoked, completed, send } = bench.turn();
    expect([revoked, completed.length, send]).toEqual([false, 1, []]);
    bench.pass(5000);
    bench.client.linkDown(0);
    bench.client.linkUp(0);
    expect(bench.turn().send).toEqual([]);
  });

  it('keeps a slot busy until its call is answered, and further calls waiting for it', () => {
    const bench = new Bench(1).open();
    bench.client.submit(Buffer.from('a'), false, 1e9);
    bench.client.submit(Buffer.from('b'), false, 1e9);
    const [{ request }] = bench.turn().send;
    expect(request.calls).toHaveLength(1);
    bench.answer(request, [0, 1, 2], result('a'));
    expect(Buffer.from(bench.turn().send[0].request.calls[0].operation).toString()).toBe('b');
  });

  it('retransmits the same request to all, ever less often', () => {
    const bench = new Bench().open();
    bench.client.submit(Buffer.from('a'), false, 1e9);
    const [{ request }] = bench.turn().send;
    const resent: number[] = [];
    for (let i = 0; i < 300; i++) {
      bench.pass(10);
      for (const { to, request: again } of bench.turn().send) {
        expect([to, again]).toEqual(['replicas', request]);
        resent.push(bench.now);
      }
    }
    expect(resent).toEqual([250, 500, 1000, 2000]);
  });

  it('reports a call past its deadline as in doubt, keeps its slot, and says when it is settled', () => {
    const bench = new Bench(1).open();
    const call = bench.client.submit(Buffer.from('a'), false, 1000);
    const [{ request }] = bench.turn().send;
    bench.pass(1000);
    expect(bench.turn().completed).toEqual([{ kind: 'failed', call, failure: 'deadline', final: false }]);
    const later = bench.client.submit(Buffer.from('b'), false, 5000);
    expect(bench.turn().send.filter((sent) => sent.request !== request)).toEqual([]);
    bench.answer(request, [1, 2, 3], result('late'));
    const ready = bench.turn();
    expect(ready.completed).toEqual([{ kind: 'settled', call }]);
    expect(ready.send).toHaveLength(1);
    bench.pass(6000);
    expect(bench.turn().completed).toEqual([{ kind: 'failed', call: later, failure: 'deadline', final: false }]);
  });

  it('fails what was never sent for good', () => {
    const bench = new Bench(1).open();
    bench.client.submit(Buffer.from('a'), false, 1e9);
    bench.turn();
    const call = bench.client.submit(Buffer.from('b'), false, 100);
    bench.pass(100);
    expect(bench.turn().completed).toEqual([{ kind: 'failed', call, failure: 'deadline', final: true }]);
  });

  it('orders a read once no quorum is possible, and after a while in any case', () => {
    const bench = new Bench().open();
    bench.client.submit(Buffer.from('read'), true, 1e9);
    const [{ to, request }] = bench.turn().send;
    expect([to, request.readOnly, request.calls[0].slot]).toEqual(['replicas', true, READ_ONLY_SLOT]);
    bench.answer(request, [0], result('old'));
    bench.answer(request, [1], result('new'));
    expect(bench.turn().send).toEqual([]);
    bench.answer(request, [2], result('newer'));
    expect(bench.turn().send[0].request.readOnly).toBe(false);

    bench.client.submit(Buffer.from('read'), true, 1e9);
    bench.turn();
    bench.pass(100);
    expect(bench.turn().send[0].request.readOnly).toBe(false);
  });

  it('asks all for the result when the designated replier is late, and passes it over for a while', () => {
    const bench = new Bench().open();
    bench.client.submit(Buffer.from('read'), true, 1e9);
    const [{ request }] = bench.turn().send;
    const others = [0, 1, 2, 3].filter((replica) => replica !== request.replier);
    const whole = Buffer.from('long result');
    bench.answer(request, others, { resultDigest: new FakeAuthentication(0).resultDigest(whole) });
    expect(bench.turn().completed).toEqual([]);
    bench.pass(60);
    const [{ request: again }] = bench.turn().send;
    expect(again.readOnly).toBe(true);
    bench.answer(again, [0, 1, 2], { result: whole });
    expect(bench.turn().completed).toMatchObject([{ kind: 'result', result: whole }]);
    for (let i = 0; i < 8; i++) {
      bench.client.submit(Buffer.from('read'), true, 1e9);
      expect(bench.turn().send[0].request.replier).not.toBe(request.replier);
    }
  });

  it('designates everyone when nobody is linked', () => {
    const bench = new Bench().open();
    for (const replica of [0, 1, 2, 3]) bench.client.linkDown(replica);
    bench.client.submit(Buffer.from('a'), false, 1e9);
    expect(bench.turn().send[0].request.replier).toBe(EVERYONE);
  });

  it('sends a call anew whose large result was not kept', () => {
    const bench = new Bench(1).open();
    const call = bench.client.submit(Buffer.from('read'), false, 1e9);
    const [{ request }] = bench.turn().send;
    bench.answer(request, [0, 1, 2], { status: ReplyStatus.NotCached });
    const [{ request: again }] = bench.turn().send;
    expect(again.calls[0].sequence).toBe(request.calls[0].sequence + 1);
    bench.answer(again, [0, 1, 2], result('x'));
    expect(bench.turn().completed).toMatchObject([{ kind: 'result', call }]);
  });

  it('gives up a lost session with all that was in flight, and opens another', () => {
    const bench = new Bench().open();
    const a = bench.client.submit(Buffer.from('a'), false, 1e9);
    const b = bench.client.submit(Buffer.from('b'), false, 1e9);
    const [{ request }] = bench.turn().send;
    bench.answer(request, [0, 1, 2], { status: ReplyStatus.NoSession });
    const ready = bench.turn();
    expect(ready.sessionLost).toBe(true);
    expect(ready.completed.map(({ kind, call }) => [kind, call])).toEqual([
      ['failed', a],
      ['failed', b],
    ]);
    expect(ready.attach).toBe(2);
    bench.client.submit(Buffer.from('c'), false, 1e9);
    expect(bench.turn().send[0].request.session.instance).toBe(2);
  });

  it('follows the view that f+1 replicas report, not one alone', () => {
    const bench = new Bench().open();
    const primaryOfNextCall = (): unknown => {
      bench.client.submit(Buffer.from('a'), false, 1e9);
      const [{ to, request }] = bench.turn().send;
      bench.answer(request, [0, 1, 2], result('x'));
      return to;
    };
    const say = (view: number, replica: number) =>
      bench.client.receive(
        { kind: 'reply', view, tentative: false, instance: 1, slot: 0, sequence: 0, status: 0 },
        replica,
      );
    say(5, 3);
    expect(primaryOfNextCall()).toBe(0);
    say(2, 1);
    expect(primaryOfNextCall()).toBe(2);
  });
});

describe('a read that finds its quorum late', () => {
  /** Makes a read that is answered after so long; returns whether it was ordered by then. */
  const readIn = (bench: Bench, ms: number): boolean => {
    bench.client.submit(Buffer.from('read'), true, 1e9);
    const [{ request: asked }] = bench.turn().send;
    for (let waited = 0; waited < ms; waited += 10) bench.pass(10);
    const [ordered] = bench.turn().send;
    const request = ordered?.request ?? asked;
    bench.answer(request, [0, 1, 2], result('content'));
    expect(bench.turn().completed).toHaveLength(1);
    return !request.readOnly;
  };

  it('is ordered, and the next ones are given longer, a second at most', () => {
    const bench = new Bench().open();
    expect(readIn(bench, 150)).toBe(true);
    for (let i = 0; i < 20; i++) expect(readIn(bench, 150)).toBe(false);
    expect(readIn(bench, 1010)).toBe(true);
    expect(bench.client.counters.orderedReads).toBe(2);
  });

  it('is given no longer than before once they are quick again', () => {
    const bench = new Bench().open();
    readIn(bench, 150);
    for (let i = 0; i < 100; i++) readIn(bench, 0);
    expect(readIn(bench, 110)).toBe(true);
  });
});
