/** What a client makes of replies of two incarnations of the group: one history, and a word about the change. */
import { describe, expect, it } from 'vitest';
import { INCARNATION_SPAN, startOf } from '../../../src/pbft/incarnation.js';
import { CallKind, ReplyStatus, type Request } from '../../../src/pbft/messages.js';
import { openSessionOperation } from '../../../src/pbft/sessions.js';
import { Bench, result } from './client-bench.js';

const NEXT = startOf(1);
const ok = { result: Buffer.alloc(0) };

/** The group tells of `view` in answer to something that this client does not wait for. */
function tell(bench: Bench, view: number, replicas: number[]): void {
  for (const replica of replicas) {
    const reply = {
      kind: 'reply',
      tentative: false,
      instance: bench.instance,
      slot: 0,
      sequence: 0,
      status: 0,
    } as const;
    bench.client.receive({ ...reply, view }, replica);
  }
}

/** Answers the OPEN of the next session, in the new incarnation. */
function renew(bench: Bench, opening: Request): void {
  expect(opening.calls).toMatchObject([{ kind: CallKind.OpenSession }]);
  bench.answer(opening, [0, 1, 2], { view: NEXT, ...ok });
}

describe('a client whose group begins a new incarnation', () => {
  it('adopts the one it finds, without a word', () => {
    const bench = new Bench();
    bench.client.submit(Buffer.from('a'), false, 1e9);
    const [{ request }] = bench.turn().send;
    bench.answer(request, [0, 1, 2], { view: 3 * INCARNATION_SPAN + 202, ...ok });
    const ready = bench.turn();
    expect([ready.incarnation, ready.sessionLost, bench.client.knownIncarnation]).toEqual([undefined, false, 3]);
    expect(ready.send[0].to).toBe(2);
  });

  it('is not taken in by f liars when it comes, nor when it is told of another', () => {
    const bench = new Bench();
    bench.client.submit(Buffer.from('a'), false, 1e9);
    const [{ request }] = bench.turn().send;
    bench.answer(request, [3], { view: 0, ...ok });
    bench.answer(request, [0, 1, 2], { view: NEXT, ...ok });
    bench.turn();
    expect(bench.client.knownIncarnation).toBe(1);
    tell(bench, startOf(9), [3]);
    tell(bench, 0, [2]);
    expect(bench.turn().incarnation).toBeUndefined();
    expect(bench.client.counters.incarnations).toBe(0);
  });

  it.each([
    ['a change', false],
    ['a read', true],
  ])('counts no answers to %s together that are of different ones', (_, readOnly) => {
    const bench = new Bench().open();
    bench.client.submit(Buffer.from('x'), readOnly, 1e9);
    const [{ request }] = bench.turn().send;
    bench.answer(request, [0, 1], result('same'));
    bench.answer(request, [2], { view: NEXT, ...result('same') });
    expect(bench.turn().completed).toEqual([]);
    bench.answer(request, [3], result('same'));
    expect(bench.turn().completed).toMatchObject([{ kind: 'result' }]);
  });

  it('tells of it once, with what fails, and before any result', () => {
    const bench = new Bench().open();
    const change = bench.client.submit(Buffer.from('change'), false, 1e9);
    const [{ request }] = bench.turn().send;
    bench.answer(request, [0, 1, 2], { view: NEXT, ...result('survived') });
    const ready = bench.turn();
    expect([ready.incarnation, ready.sessionLost]).toEqual([1, true]);
    expect(ready.completed).toMatchObject([{ kind: 'failed', call: change, failure: 'session-lost', final: true }]);
    expect(bench.turn()).toMatchObject({ incarnation: undefined, sessionLost: false, completed: [] });
  });

  it('hands over what was answered before, and only then tells of it', () => {
    const bench = new Bench().open();
    const change = bench.client.submit(Buffer.from('change'), false, 1e9);
    const [{ request }] = bench.turn().send;
    bench.answer(request, [0, 1, 2], result('of the old'));
    tell(bench, NEXT, [0, 1]);
    const late = bench.client.submit(Buffer.from('late'), false, 1e9);
    const before = bench.turn();
    expect([before.incarnation, before.send]).toEqual([undefined, []]);
    expect(before.completed).toMatchObject([{ kind: 'result', call: change }]);
    const after = bench.turn();
    expect(after.incarnation).toBe(1);
    expect(after.completed).toMatchObject([{ kind: 'failed', call: late }]);
  });

  it('hears of it without a call of its own once replicas that were away are back', () => {
    const bench = new Bench().open();
    bench.client.linkDown(2);
    bench.client.linkDown(3);
    expect(bench.turn().send).toEqual([]);
    bench.client.linkUp(2);
    bench.client.linkUp(3);
    const { send } = bench.turn();
    expect(send).toHaveLength(1);
    expect([send[0].to, send[0].request.session.instance]).toEqual(['replicas', 1]);
    expect(send[0].request.calls).toMatchObject([{ kind: CallKind.OpenSession }]);
    bench.answer(send[0].request, [0, 1], { ...ok });
    expect(bench.turn()).toMatchObject({ incarnation: undefined, send: [] });
    bench.pass(250);
    expect(bench.turn().send[0].request).toBe(send[0].request);
    bench.answer(send[0].request, [2, 3], { view: NEXT, ...ok });
    expect(bench.turn()).toMatchObject({ incarnation: 1, sessionLost: true, completed: [] });
  });

  it('goes on where replicas that were away bring no other', () => {
    const bench = new Bench().open();
    bench.client.linkDown(2);
    bench.client.linkUp(2);
    const [{ request }] = bench.turn().send;
    const change = bench.client.submit(Buffer.from('change'), false, 1e9);
    const [{ request: changing }] = bench.turn().send;
    bench.answer(request, [0, 1, 2], { ...ok });
    bench.answer(changing, [0, 1, 2], result('done'));
    expect(bench.turn()).toMatchObject({ sessionLost: false, completed: [{ kind: 'result', call: change }] });

    bench.client.linkDown(2);
    bench.client.linkUp(2);
    const [{ request: asking }] = bench.turn().send;
    bench.answer(asking, [0, 1, 2], { status: ReplyStatus.StaleInstance });
    expect(bench.turn()).toMatchObject({ incarnation: undefined, sessionLost: true, attach: 2 });
  });

  it('settles changes in doubt', () => {
    const bench = new Bench().open();
    const change = bench.client.submit(Buffer.from('change'), false, 1000);
    bench.turn();
    bench.pass(1000);
    expect(bench.turn().completed).toMatchObject([{ kind: 'failed', final: false }]);
    tell(bench, NEXT, [0, 1]);
    expect(bench.turn().completed).toEqual([{ kind: 'settled', call: change }]);
  });

  it('opens another session, and sends nothing else until that is open in the new incarnation', () => {
    const bench = new Bench().open();
    tell(bench, NEXT, [0, 1]);
    expect(bench.turn()).toMatchObject({ attach: 2, send: [] });
    bench.client.submit(Buffer.from('new'), false, 1e9);
    const [{ request: opening }] = bench.turn().send;
    const operation = openSessionOperation(opening.calls[0].operation[1], 1);
    expect(opening).toMatchObject({ session: { instance: 2 }, calls: [{ kind: CallKind.OpenSession, operation }] });
    bench.answer(opening, [0, 1, 2], { ...ok });
    expect(bench.turn().send, 'opened in the old incarnation only').toEqual([]);
    renew(bench, opening);
    expect(bench.turn().send[0].request.calls).toMatchObject([{ slot: 0, sequence: 1 }]);
  });

  it('asks again whatever changes nothing, also where that was to be ordered', () => {
    const bench = new Bench().open();
    const read = bench.client.submit(Buffer.from('read'), true, 1e9);
    bench.turn();
    bench.pass(100);
    const other = bench.client.submit(Buffer.from('other'), true, 1e9);
    const sent = bench.turn().send;
    expect(sent.map(({ request }) => request.readOnly)).toEqual([true, false]);
    for (const { request } of sent) bench.answer(request, [0, 1, 2], { view: NEXT, status: ReplyStatus.NoSession });
    const ready = bench.turn();
    expect([ready.incarnation, ready.completed]).toEqual([1, []]);
    renew(bench, ready.send[0].request);
    const again = bench.turn().send;
    for (const { request } of again) {
      for (const call of request.calls) {
        bench.answer(request, [0, 1, 2], { view: NEXT, result: Buffer.from(call.operation) }, call);
      }
    }
    const completed = bench.turn().completed.map((each) => [each.call, 'result' in each && String(each.result)]);
    expect(completed).toEqual(
      expect.arrayContaining([
        [read, 'read'],
        [other, 'other'],
      ]),
    );
  });

  it('goes on to the next one where there is another while it opens its session', () => {
    const bench = new Bench().open();
    tell(bench, NEXT, [0, 1]);
    bench.turn();
    bench.client.submit(Buffer.from('new'), false, 1e9);
    const [{ request: opening }] = bench.turn().send;
    bench.answer(opening, [0, 1], { view: startOf(2), ...ok });
    expect(bench.turn()).toMatchObject({ incarnation: 2, attach: 3 });
    expect(bench.client.knownIncarnation).toBe(2);
  });
});
