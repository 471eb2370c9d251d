import { describe, expect, it } from 'vitest';
import { Limits } from '../../../src/limits.js';
import { type Call, CallKind, ReplyStatus, type Request } from '../../../src/pbft/messages.js';
import type { ExecutionContext } from '../../../src/pbft/ports.js';
import { openSessionOperation, Sessions } from '../../../src/pbft/sessions.js';
import { MemoryState } from '../../simulation/memory-state.js';

let digests = 0;
const freshDigest = (): Uint8Array => new Uint8Array(32).fill(++digests % 251);

function request(instance: number, digest = freshDigest()): Request {
  const empty = new Uint8Array(0);
  const session = { client: 1, instance };
  return {
    kind: 'request',
    session,
    readOnly: false,
    replier: 0,
    calls: [],
    body: empty,
    digest,
    authenticator: empty,
    signature: empty,
  };
}

const open = (slots = 4): Call => ({
  kind: CallKind.OpenSession,
  slot: 0xfffe,
  sequence: 1,
  operation: openSessionOperation(slots, 0),
});
const close: Call = { kind: CallKind.CloseSession, slot: 0xfffe, sequence: 2, operation: new Uint8Array(0) };
const append = (slot: number, sequence: number, token = 'x'): Call => ({
  kind: CallKind.Service,
  slot,
  sequence,
  operation: Buffer.from(`append ${token}`),
});

function setUp() {
  const state = new MemoryState();
  const sessions = new Sessions(state.sessions, state.service);
  const context = (instance: number): ExecutionContext => ({
    sequence: 1,
    time: { seconds: 1, nanoseconds: 0 },
    session: { client: 1, instance },
  });
  const execute = (instance: number, call: Call, digest?: Uint8Array) =>
    sessions.execute(request(instance, digest), call, context(instance));
  return { state, sessions, execute };
}

describe('sessions', () => {
  it('executes a call once and answers its repetition from the cache', () => {
    const { state, sessions, execute } = setUp();
    execute(5, open());
    const digest = freshDigest();
    const first = execute(5, append(0, 1), digest);
    const second = execute(5, append(0, 1), digest);
    expect(second.result).toEqual(first.result);
    expect(sessions.remembered(request(5, digest), append(0, 1))?.result).toEqual(first.result);
    expect(state.list).toEqual(['x']);
  });

  it('refuses another request with the same slot and sequence, and a gap', () => {
    const { state, execute } = setUp();
    execute(5, open());
    execute(5, append(0, 1));
    expect(execute(5, append(0, 1)).status).toBe(ReplyStatus.Conflict);
    expect(execute(5, append(0, 3)).status).toBe(ReplyStatus.Misordered);
    expect(execute(5, append(4, 1)).status).toBe(ReplyStatus.Misordered);
    expect(execute(6, append(0, 1)).status).toBe(ReplyStatus.NoSession);
    expect(state.list).toEqual(['x']);
  });

  it('does not let a replayed OPEN bring an ended session, and its requests, back to life', () => {
    const { state, execute } = setUp();
    execute(5, open());
    const digest = freshDigest();
    execute(5, append(0, 1), digest);
    execute(5, close);
    expect(execute(5, open()).status).toBe(ReplyStatus.StaleInstance);
    expect(execute(5, append(0, 1), digest).status).toBe(ReplyStatus.NoSession);
    expect(execute(4, open()).status).toBe(ReplyStatus.StaleInstance);
    expect(execute(6, open()).status).toBe(ReplyStatus.Ok);
    expect(state.list).toEqual(['x']);
  });

  it('opens none for another incarnation than the one that its client means: what was lost is not executed once more', () => {
    const { state, execute } = setUp();
    const meant = (incarnation: number): Call => ({ ...open(), operation: openSessionOperation(4, incarnation) });
    expect(execute(5, meant(1)).status).toBe(ReplyStatus.StaleInstance);
    expect(execute(5, append(0, 1)).status).toBe(ReplyStatus.NoSession);
    expect(execute(5, meant(0)).status).toBe(ReplyStatus.Ok);
    expect(execute(5, append(0, 1)).status).toBe(ReplyStatus.Ok);
    expect(state.list).toEqual(['x']);
  });

  it('ends all of them when an incarnation begins', () => {
    const { sessions, state, execute } = setUp();
    execute(5, open());
    execute(6, open());
    execute(5, append(0, 1));
    sessions.endAll({ sequence: 1, time: { seconds: 2, nanoseconds: 0 } });
    expect(state.sessions.all()).toEqual([]);
    for (const instance of [5, 6]) expect(execute(instance, open()).status).toBe(ReplyStatus.StaleInstance);
    expect(execute(7, open()).status).toBe(ReplyStatus.Ok);
  });

  it('opens the same session again without forgetting what it did', () => {
    const { state, execute } = setUp();
    execute(5, open());
    execute(5, append(0, 1));
    expect(execute(5, open()).status).toBe(ReplyStatus.Ok);
    expect(execute(5, append(0, 1)).status).toBe(ReplyStatus.Conflict);
    expect(state.list).toEqual(['x']);
  });

  it('refuses a session with no slots, or too many', () => {
    const { execute } = setUp();
    expect(execute(5, open(0)).status).toBe(ReplyStatus.Misordered);
    expect(execute(5, open(Limits.slotsPerSession + 1)).status).toBe(ReplyStatus.Misordered);
  });

  it('ends the oldest of too many sessions of one client, and never the newer for an older', () => {
    const { execute } = setUp();
    for (let instance = 10; instance < 10 + Limits.sessionsPerClient; instance++) execute(instance, open());
    expect(execute(9, open()).status).toBe(ReplyStatus.StaleInstance);
    expect(execute(10, append(0, 1)).status).toBe(ReplyStatus.Ok);
    expect(execute(500, open()).status).toBe(ReplyStatus.Ok);
    expect(execute(10, append(0, 2)).status).toBe(ReplyStatus.NoSession);
    expect(execute(11, append(0, 1)).status).toBe(ReplyStatus.Ok);
  });
});
