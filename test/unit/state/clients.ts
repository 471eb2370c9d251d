/** Clients registered in a state, and the calls they make. */
import { SigningKey } from '../../../src/crypto/ed25519.js';
import type { Approval, Change } from '../../../src/fileservice/clients.js';
import { ALL_RIGHTS, type Rights, type Subtree } from '../../../src/fileservice/rights.js';
import type { Handle } from '../../../src/fileservice/types.js';
import type { SessionId } from '../../../src/pbft/messages.js';
import { ADMIN_SESSION, type Driver, ROOT } from './support.js';

export const keyOf = (number: number): Buffer => new SigningKey(Buffer.alloc(32, number)).publicKey;

let keys = 1;

export const registration = (name: string, rights: Partial<Rights> = {}, publicKey = keyOf(keys++)): Change => ({
  ...{ kind: 'register', name, publicKey, rights: { ...ALL_RIGHTS, ...rights } },
});

export const versionOf = (fs: Driver): number => {
  const listing = fs.run('clients', { from: 0 }, ROOT, ADMIN_SESSION);
  return listing.version;
};

export const administer = (fs: Driver, change: Change, approvals: Approval[] = [], version = versionOf(fs)): string =>
  fs.outcome('administer', { version, change, approvals }, ROOT, ADMIN_SESSION);

/** Registers a client, and opens a session of it. */
export function registered(fs: Driver, name: string, rights: Partial<Rights> = {}): SessionId {
  const change = registration(name, rights);
  const { client } = fs.run('administer', { version: versionOf(fs), change, approvals: [] }, ROOT, ADMIN_SESSION);
  const session = { client: client.id, instance: 1 };
  fs.state.beginBatch(fs.state.lastExecuted + 1);
  fs.state.sessions.putSession({ session, slots: 4, opened: fs.nextTime });
  fs.state.endBatch(fs.nextTime);
  fs.state.commitBatch();
  return session;
}

export const below = ({ ino, generation }: Handle, path = '/s'): Subtree => ({ ino, generation, path });
