/** The file service: operation bytes in, result bytes out, whatever the bytes are. */
import { MalformedBytes } from '../../src/bytes.js';
import { asserted, isChange, withHandles } from '../../src/fileservice/authority.js';
import { Errno } from '../../src/fileservice/errno.js';
import { decodeOperation, isReadOnly, type Operation } from '../../src/fileservice/operations.js';
import { encodeFailure, encodeResult, type Results } from '../../src/fileservice/results.js';
import { type Credentials, FileLimits, type Time } from '../../src/fileservice/types.js';
import { Limits } from '../../src/limits.js';
import type { SessionId } from '../../src/pbft/messages.js';
import type { Execution, ExecutionContext, Service } from '../../src/pbft/ports.js';
import { confined, seenFrom } from './confinement.js';
import type { Call } from './nodes.js';
import { allocate } from './operations/allocate.js';
import { administer, clients } from './operations/clients.js';
import { copy } from './operations/copy.js';
import { create, link, mkdir, mknod, symlink } from './operations/create.js';
import { fsync, read, write } from './operations/data.js';
import { endHoldings, expireLeases, renew } from './operations/leases.js';
import { lock, testlock } from './operations/locks.js';
import { getattr, lookup, open, readdir, readlink, statfs } from './operations/lookup.js';
import { release, rmdir, unlink } from './operations/remove.js';
import { rename } from './operations/rename.js';
import { seek } from './operations/seek.js';
import { setattr } from './operations/setattr.js';
import { getxattr, listxattr, removexattr, setxattr } from './operations/xattrs.js';
import type { Owners } from './owners.js';
import type { Store } from './store.js';

type Outcome = Results[Operation['op']] | Errno;

const ZEROS = Buffer.alloc(FileLimits.ioBytes);

export class FileService implements Service {
  constructor(
    private readonly store: Store,
    private readonly owners: Owners,
  ) {}

  execute(bytes: Uint8Array, { time, session }: ExecutionContext): Execution {
    const decoded = decode(bytes);
    if (decoded === undefined) return { result: encodeFailure(Errno.EPROTO), durable: false, transient: false };
    const { operation, credentials } = decoded;
    expireLeases(this.store, time);
    const result = this.run(operation, credentials, time, session);
    return {
      result,
      // Who was told that a client is revoked need not fear that it comes back with a loss of power.
      durable: operation.op === 'fsync' || operation.op === 'administer',
      transient: result.length > Limits.cachedReplyBytes && isReadOnly(operation),
    };
  }

  query(bytes: Uint8Array, session: SessionId): Uint8Array {
    const decoded = decode(bytes);
    if (decoded === undefined) return encodeFailure(Errno.EPROTO);
    const { operation, credentials } = decoded;
    if (!isReadOnly(operation)) return encodeFailure(Errno.EROFS);
    return this.run(operation, credentials, this.store.header.row.clock, session);
  }

  sessionEnded(session: SessionId): void {
    endHoldings(this.store, session);
  }

  private run(operation: Operation, who: Credentials, now: Time, session: SessionId): Buffer {
    const outcome = this.permitted(operation, who, now, session);
    return typeof outcome === 'number' ? encodeFailure(outcome) : encodeResult(operation.op, outcome as never);
  }

  /** The one way in: nothing is performed but what the client's rights grant, whatever its process sends. */
  private permitted(operation: Operation, stated: Credentials, now: Time, session: SessionId): Outcome {
    const { store, owners } = this;
    const client = store.clients.get(session.client);
    if (client === undefined || client.revoked !== undefined) return Errno.EACCES;
    const { rights } = client;
    const who = asserted(rights, stated, operation);
    if (who === undefined) return Errno.EACCES;
    if (rights.readOnly && isChange(operation)) return Errno.EROFS;
    const { subtree } = rights;
    const call = { store, client, who, now, session };
    if (subtree === undefined) return perform(call, operation, owners);
    const within = withHandles(operation, (handle) => confined(store, session, subtree, handle));
    // What lies outside is told from what does not exist by nothing.
    if (within === undefined) return Errno.ESTALE;
    const outcome = perform(call, within, owners);
    return typeof outcome === 'number' ? outcome : seenFrom(subtree, outcome);
  }
}

function decode(bytes: Uint8Array): ReturnType<typeof decodeOperation> | undefined {
  try {
    return decodeOperation(bytes);
  } catch (error) {
    if (error instanceof MalformedBytes) return undefined;
    throw error;
  }
}

function perform(call: Call, o: Operation, owners: Owners): Outcome {
  switch (o.op) {
    case 'null':
      return o.resultBytes > ZEROS.length ? Errno.EINVAL : { errno: 0, padding: ZEROS.subarray(0, o.resultBytes) };
    case 'lookup':
      return lookup(call, o);
    case 'getattr':
      return getattr(call, o);
    case 'setattr':
      return setattr(call, o);
    case 'readdir':
      return readdir(call, o);
    case 'create':
      return create(call, o);
    case 'mkdir':
      return mkdir(call, o);
    case 'mknod':
      return mknod(call, o);
    case 'symlink':
      return symlink(call, o);
    case 'readlink':
      return readlink(call, o);
    case 'link':
      return link(call, o);
    case 'unlink':
      return unlink(call, o);
    case 'rmdir':
      return rmdir(call, o);
    case 'rename':
      return rename(call, o);
    case 'open':
      return open(call, o);
    case 'release':
      return release(call, o);
    case 'read':
      return read(call, o);
    case 'write':
      return write(call, o);
    case 'fsync':
      return fsync(call, o);
    case 'statfs':
      return statfs(call);
    case 'getxattr':
      return getxattr(call, o);
    case 'listxattr':
      return listxattr(call, o);
    case 'setxattr':
      return setxattr(call, o);
    case 'removexattr':
      return removexattr(call, o);
    case 'allocate':
      return allocate(call, o);
    case 'seek':
      return seek(call, o);
    case 'copy':
      return copy(call, o);
    case 'lock':
      return lock(call, o);
    case 'testlock':
      return testlock(call, o);
    case 'renew':
      return renew(call, o);
    case 'clients':
      return clients(call, o, owners);
    case 'administer':
      return administer(call, o, owners);
  }
}
