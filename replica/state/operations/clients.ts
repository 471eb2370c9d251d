/** CLIENTS and ADMINISTER: who may speak to the service, and with which rights. For administrators alone. */
import { ADMIN } from '../../../src/cluster/registry.js';
import { checkPublicKey } from '../../../src/crypto/ed25519.js';
import { ClientLimits } from '../../../src/fileservice/clients.js';
import { Errno } from '../../../src/fileservice/errno.js';
import type { OperationOf } from '../../../src/fileservice/operations.js';
import type { Results } from '../../../src/fileservice/results.js';
import { isDirectory } from '../../../src/fileservice/types.js';
import type { Call } from '../nodes.js';
import type { Owners } from '../owners.js';
import type { ClientRow } from '../rows.js';
import { StoredSessions } from '../sessions.js';
import { endHoldings } from './leases.js';

type Administer = OperationOf<'administer'>;
type ChangeOf<Kind> = Extract<Administer['change'], { kind: Kind }>;

export function clients(
  { store, client }: Call,
  { from }: OperationOf<'clients'>,
  owners: Owners,
): Results['clients'] | Errno {
  if (client.name !== ADMIN) return Errno.EPERM;
  const rows = store.clients.all().filter(({ id }) => id >= from);
  const listed = rows.slice(0, ClientLimits.listed);
  const version = store.header.row.clientsVersion;
  return { errno: 0, version, owners: owners.needed, end: listed.length === rows.length, clients: listed };
}

/**
 * The version makes each change, and each signature under it, good for one time: a request that is made again, or an
 * old one with its signatures, is of a version that has passed.
 */
export function administer(call: Call, o: Administer, owners: Owners): Results['administer'] | Errno {
  const { store, client } = call;
  if (client.name !== ADMIN) return Errno.EPERM;
  const version = store.header.row.clientsVersion;
  if (o.version !== version) return Errno.EAGAIN;
  if (!owners.consent(version, o.change, o.approvals)) return Errno.EACCES;
  const changed = o.change.kind === 'register' ? register(call, o.change, owners) : revoke(call, o.change);
  if (typeof changed === 'number') return changed;
  store.clients.put(changed.id, changed);
  store.updateHeader({ clientsVersion: version + 1 });
  return { errno: 0, client: changed };
}

function register({ store, now }: Call, change: ChangeOf<'register'>, owners: Owners): ClientRow | Errno {
  const { name, publicKey, rights } = change;
  const all = store.clients.all();
  if (all.some((row) => row.name === name && row.revoked === undefined)) return Errno.EEXIST;
  // A key that was revoked is not anyone's again: what it signed before would be worth something.
  if (owners.hasKey(publicKey) || all.some((row) => row.publicKey.equals(publicKey))) return Errno.EEXIST;
  if (checkPublicKey(publicKey) !== null) return Errno.EINVAL;
  const { subtree } = rights;
  if (subtree !== undefined) {
    const directory = store.inodes.get(subtree.ino);
    if (directory === undefined || directory.generation !== subtree.generation) return Errno.ENOENT;
    if (!isDirectory(directory.mode)) return Errno.ENOTDIR;
  }
  if (all.length >= ClientLimits.clients) return Errno.ENOSPC;
  const id = all.length === 0 ? 0 : all[all.length - 1].id + 1;
  // What came with the request is a view of its bytes.
  const key = Buffer.from(publicKey);
  return { id, name, publicKey: key, rights, since: now, revoked: undefined, usedBytes: 0, usedInodes: 0 };
}

/** From here on nothing of the client is executed: its sessions end with all that they hold. */
function revoke({ store, now }: Call, { name }: ChangeOf<'revoke'>): ClientRow | Errno {
  const row = store.clients.all().find((each) => each.name === name && each.revoked === undefined);
  if (row === undefined) return Errno.ENOENT;
  // Nobody could change anything any more.
  if (name === ADMIN) return Errno.EBUSY;
  const sessions = new StoredSessions(store);
  for (const { session } of sessions.sessions(row.id)) {
    endHoldings(store, session);
    sessions.deleteSession(session);
    sessions.setEndedInstance(row.id, Math.max(session.instance, sessions.endedInstance(row.id)));
  }
  return { ...row, revoked: now };
}
