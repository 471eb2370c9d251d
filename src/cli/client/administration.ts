/** What an administrator asks of the service about its clients. */
import type { ReplicaClient } from '../../client/connect.js';
import { loadCluster } from '../../cluster/file.js';
import { loadClientIdentity } from '../../cluster/identity.js';
import { ADMIN } from '../../cluster/registry.js';
import type { Cluster } from '../../cluster/types.js';
import type { Approval, Change, RegisteredClient } from '../../fileservice/clients.js';
import { Errno, errnoName } from '../../fileservice/errno.js';
import { encodeOperation, isReadOnly, type Operation } from '../../fileservice/operations.js';
import { decodeResult, type Failure, type Results, succeeded } from '../../fileservice/results.js';
import type { Subtree } from '../../fileservice/rights.js';
import { isDirectory, ROOT_HANDLE } from '../../fileservice/types.js';
import { CommandError } from '../errors.js';
import { connect, openQuietLog } from '../rooms.js';

const CALL_MS = 10_000;
/** Another administrator may change something at the same time. */
const ATTEMPTS = 5;
const ROOT = { uid: 0, gid: 0, groups: [] };

export interface Listing {
  /** Of the table: what a change has to name. */
  version: number;
  clients: RegisteredClient[];
}

export class Administration {
  constructor(
    readonly cluster: Cluster,
    private readonly client: ReplicaClient,
  ) {}

  private async perform<O extends Operation>(operation: O): Promise<Failure | Results[O['op']]> {
    const result = await this.client.call(encodeOperation(ROOT, operation), { readOnly: isReadOnly(operation) });
    return decodeResult(operation.op as O['op'], result) as Failure | Results[O['op']];
  }

  async list(): Promise<Listing> {
    for (;;) {
      const clients: RegisteredClient[] = [];
      let version: number | undefined;
      for (let end = false; !end; ) {
        const page = await this.perform({ op: 'clients', from: (clients.at(-1)?.id ?? -1) + 1 });
        if (!succeeded(page)) throw new CommandError(`the clients cannot be listed: ${errnoName(page.errno)}`);
        version ??= page.version;
        if (version !== page.version) break;
        clients.push(...page.clients);
        end = page.end;
        if (end) return { version, clients };
      }
    }
  }

  /** @throws CommandError one line */
  async apply(version: number, change: Change, approvals: readonly Approval[]): Promise<RegisteredClient> {
    const result = await this.perform({ op: 'administer', version, change, approvals });
    if (succeeded(result)) return result.client;
    throw new ChangeRefused(result.errno, change, this.cluster);
  }

  /** Without owners' consent. */
  async applyNow(change: Change): Promise<RegisteredClient> {
    for (let attempt = 1; ; attempt++) {
      const { version } = await this.list();
      try {
        return await this.apply(version, change, []);
      } catch (error) {
        const overtaken = error instanceof ChangeRefused && error.errno === Errno.EAGAIN;
        if (!overtaken || attempt === ATTEMPTS) throw error;
      }
    }
  }

  /** The directory that a path leads to. Symbolic links are not followed. */
  async subtree(path: string): Promise<Subtree> {
    const names = path.split('/').filter((name) => name !== '' && name !== '.');
    if (names.includes('..')) throw new CommandError(`--subtree ${path}: give the path without ..`);
    let found: Omit<Subtree, 'path'> = ROOT_HANDLE;
    for (const name of names) {
      const result = await this.perform({ op: 'lookup', parent: found, name: Buffer.from(name) });
      if (!succeeded(result)) {
        throw new CommandError(`--subtree ${path}: ${name}: ${errnoName(result.errno)}: make the directory first`);
      }
      const { ino, generation, mode } = result.attributes;
      if (!isDirectory(mode)) throw new CommandError(`--subtree ${path}: ${name} is not a directory`);
      found = { ino, generation };
    }
    if (names.length === 0) throw new CommandError(`--subtree ${path}: that is everything: leave it out`);
    const whole = Buffer.from(`/${names.join('/')}`).toString('latin1');
    return { ino: found.ino, generation: found.generation, path: whole };
  }
}

class ChangeRefused extends CommandError {
  constructor(
    readonly errno: number,
    { kind, name }: Change,
    { ownerSignatures }: Cluster,
  ) {
    super(`${kind === 'register' ? 'not registered' : 'not revoked'}: ${reason(errno, kind, name, ownerSignatures)}`);
  }
}

function reason(errno: number, kind: Change['kind'], name: string, ownerSignatures: number): string {
  switch (errno) {
    case Errno.EEXIST:
      return `a client is named ${name}, or has or had that key: see byzfs client list`;
    case Errno.ENOENT:
      return kind === 'revoke' ? `no client is named ${name}: see byzfs client list` : 'the directory is gone';
    case Errno.EBUSY:
      return `${name} is the administrator, without whom nothing could be changed`;
    case Errno.EAGAIN:
      return 'another change was made meanwhile: propose it anew, since signatures are for one change only';
    case Errno.EACCES:
      return `${ownerSignatures} owners have to sign it, each rightly: see byzfs client sign`;
    default:
      return errnoName(errno);
  }
}

/** Connects as the administrator, for as long as `action` takes. */
export async function administer<T>(directory: string, action: (a: Administration) => Promise<T>): Promise<T> {
  const cluster = loadCluster(directory);
  const identity = loadClientIdentity(directory, cluster, ADMIN);
  const client = await connect({ cluster, identity, log: await openQuietLog('client'), deadlineMs: CALL_MS });
  try {
    return await action(new Administration(cluster, client));
  } finally {
    await client.close();
  }
}
