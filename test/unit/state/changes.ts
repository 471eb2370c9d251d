/** Changes of all that is in the state: every operation, and the session store. */
import type { FileState } from '../../../replica/state/index.js';
import type { Change as ClientChange } from '../../../src/fileservice/clients.js';
import { encodeOperation, type Operation } from '../../../src/fileservice/operations.js';
import { decodeResult, succeeded } from '../../../src/fileservice/results.js';
import { type Handle, ROOT_HANDLE, ROOT_INO } from '../../../src/fileservice/types.js';
import type { SessionId } from '../../../src/pbft/messages.js';
import type { ExecutionContext, SlotRow } from '../../../src/pbft/ports.js';
import { ADMIN_SESSION, bytes, type Driver, ROOT, SESSION } from './support.js';

export const BLOCK = 32 * 1024;
/** What `observe` looks at: the first inodes, these sessions, and the first slots of each. */
export const NODES = 12;
export const SESSIONS: SessionId[] = [SESSION, { client: 0, instance: 8 }, { client: 1, instance: 7 }];
export const SLOTS = 2;

export type Change =
  | { kind: 'operation'; session: SessionId; operation: Operation }
  /** Of a file that the session holds open, whichever it is. */
  | { kind: 'unlink-open'; session: SessionId; parent: Handle; name: string }
  | { kind: 'open-session'; session: SessionId; slots: number }
  | { kind: 'end-session'; session: SessionId }
  | { kind: 'reply'; session: SessionId; row: SlotRow };

export const call = (operation: Operation): Change => ({ kind: 'operation', session: SESSION, operation });
export const inRoot = (name: string) => ({ parent: ROOT_HANDLE, name: bytes(name) });
export const create = (name: string): Change =>
  call({ op: 'create', ...inRoot(name), mode: 0o644, exclusive: true, truncate: false, access: 0 });
export const write = (node: Handle, offset: number, data: Buffer): Change =>
  call({ op: 'write', node, offset, append: false, killPrivileges: false, data });
export const setXattr = (node: Handle, name: string, value: Buffer): Change =>
  call({ op: 'setxattr', node, name: bytes(name), value, flags: 0 });
export const symlink = (name: string): Change => call({ op: 'symlink', ...inRoot(name), target: bytes('to') });
export const unlink = (name: string): Change => call({ op: 'unlink', ...inRoot(name), retain: 0 });
export const unlinkOpen = (name: string): Change => ({
  kind: 'unlink-open',
  session: SESSION,
  parent: ROOT_HANDLE,
  name,
});
export const openSession = (instance: number): Change => ({
  kind: 'open-session',
  session: { client: 0, instance },
  slots: SLOTS,
});
export const administer = (version: number, change: ClientChange): Change => ({
  kind: 'operation',
  session: ADMIN_SESSION,
  operation: { op: 'administer', version, change, approvals: [] },
});
export const endSession = (session: SessionId): Change => ({ kind: 'end-session', session });
export const reply = (slot: number, sequence: number): Change => {
  const call = { slot, sequence, requestDigest: Buffer.alloc(32, sequence) };
  const row = { ...call, status: 0, durableAt: sequence, result: Buffer.alloc(3) };
  return { kind: 'reply', session: SESSION, row };
};

/** The inodes that `initially` leaves. */
export const FILE = { ino: 2, generation: 1 };
export const HELD = { ino: 4, generation: 1 };

/** Gives every table rows: a file `a` of 20 blocks, a symbolic link `b`, a file without a name, a directory `c`, an attribute. */
export const initially: Change[] = [
  create('a'),
  ...Array.from({ length: 20 }, (_, i) => write(FILE, i * BLOCK, Buffer.alloc(BLOCK, i + 1))),
  symlink('b'),
  create('held'),
  unlinkOpen('held'),
  call({ op: 'mkdir', ...inRoot('c'), mode: 0o755 }),
  setXattr(FILE, 'user.a', Buffer.from('value')),
  openSession(SESSION.instance),
  reply(0, 1),
  endSession({ client: 1, instance: 3 }),
];

/** Agreed time of a call of a batch. */
export const time = (batch: number, index: number) => ({ seconds: 1_700_000_001 + batch, nanoseconds: index });

/**
 * Executes a batch and leaves it tentative; returns what its calls result in.
 * @param firstTime nanoseconds of its first call's time
 */
export function tentatively({ state }: Driver, changes: readonly Change[], firstTime = 0): unknown[] {
  const sequence = state.lastExecuted + 1;
  state.beginBatch(sequence);
  let clock = state.clock;
  const results = changes.map((change, index) => {
    clock = time(sequence, firstTime + index);
    return apply(state, change, clock);
  });
  state.endBatch(clock);
  return results;
}

/** Makes the change as the core would, and returns all that its caller learns. */
export function apply(state: FileState, change: Change, time: ExecutionContext['time']): unknown {
  const { sessions, service } = state;
  const context = { sequence: state.lastExecuted + 1, time, session: change.session };
  const execute = (operation: Operation): unknown => {
    const { result, ...kind } = service.execute(encodeOperation(ROOT, operation), context);
    return { ...kind, result: hex(result) };
  };
  switch (change.kind) {
    case 'operation':
      return execute(change.operation);
    case 'unlink-open': {
      const named = { parent: change.parent, name: bytes(change.name) };
      const found = decodeResult(
        'lookup',
        service.query(encodeOperation(ROOT, { op: 'lookup', ...named }), change.session),
      );
      return execute({ op: 'unlink', ...named, retain: succeeded(found) ? found.attributes.ino : 0 });
    }
    case 'open-session':
      sessions.putSession({ session: change.session, slots: change.slots, opened: time });
      return sessions.sessions(change.session.client);
    case 'end-session':
      service.sessionEnded(change.session, context);
      sessions.deleteSession(change.session);
      sessions.setEndedInstance(change.session.client, change.session.instance);
      return sessions.sessions(change.session.client);
    case 'reply':
      if (sessions.session(change.session) !== undefined) sessions.putSlot(change.session, change.row);
      return undefined;
  }
}

const hex = (result: Uint8Array): string => Buffer.from(result).toString('hex');

/** All that can be seen of the state through its port, without changing or settling anything. */
export function observe(state: FileState): Record<string, unknown> {
  const seen: Record<string, unknown> = { clock: state.clock };
  const { usedBytes, usedInodes } = state.statistics;
  Object.assign(seen, { usedBytes, usedInodes });
  const query = (what: string, operation: Operation, session = SESSIONS[0]): void => {
    seen[what] = hex(state.service.query(encodeOperation(ROOT, operation), session));
  };
  query('statfs', { op: 'statfs' });
  query('clients', { op: 'clients', from: 0 }, ADMIN_SESSION);
  for (let ino = ROOT_INO; ino < ROOT_INO + NODES; ino++) {
    const node = { ino, generation: 1 };
    query(`inode ${ino}`, { op: 'getattr', node });
    query(`target of ${ino}`, { op: 'readlink', node });
    query(`attributes of ${ino}`, { op: 'listxattr', node });
    query(`attribute of ${ino}`, { op: 'getxattr', node, name: bytes('user.a') });
    query(`first byte of ${ino}`, { op: 'read', node, offset: 0, length: 1 });
    query(`start of directory ${ino}`, { op: 'readdir', directory: node, cookie: 0, maxBytes: 330 });
    query(`rest of directory ${ino}`, { op: 'readdir', directory: node, cookie: 3, maxBytes: 1 << 17 });
  }
  for (const session of SESSIONS) {
    const { client, instance } = session;
    const slots = Array.from({ length: SLOTS }, (_, slot) => state.sessions.slot(session, slot));
    seen[`session ${client}/${instance}`] = [state.sessions.session(session), slots];
    seen[`client ${client}`] = [state.sessions.endedInstance(client), state.sessions.sessions(client)];
  }
  return seen;
}
