import type { Role } from '../cluster/types.js';
import type { Message } from '../pbft/messages.js';

/** The other end of a link, as its signature proved. */
export interface Peer {
  readonly role: Role;
  readonly id: number;
}

const REPLICA_TO_REPLICA: ReadonlySet<Message['kind']> = new Set([
  'request',
  'pre-prepare',
  'prepare',
  'commit',
  'checkpoint',
  'status',
  'committed',
  'fetch-batch',
  'batch-data',
  'view-change',
  'new-view',
  'flushed',
  'flushed-certificate',
  'query-stable',
  'reply-stable',
]);
const CLIENT_TO_REPLICA: ReadonlySet<Message['kind']> = new Set(['request', 'attach', 'inspect']);
const REPLICA_TO_CLIENT: ReadonlySet<Message['kind']> = new Set(['reply', 'inspection']);

/** Whether a message may come from that peer to one of our role. Clients speak for themselves; replicas relay for all. */
export function isAdmissible(role: Role, peer: Peer, message: Message): boolean {
  if (role === 'client') return REPLICA_TO_CLIENT.has(message.kind);
  if (peer.role === 'replica') return REPLICA_TO_REPLICA.has(message.kind);
  if (message.kind === 'request' && message.session.client !== peer.id) return false;
  return CLIENT_TO_REPLICA.has(message.kind);
}
