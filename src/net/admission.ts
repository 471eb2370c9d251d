import type { Role } from '../cluster/types.js';
import type { Message } from '../pbft/messages.js';

/** The other end of a link, as its signature proved. */
export interface Peer {
  readonly role: Role;
  readonly id: number;
}

type Way = 'replica to replica' | 'client to replica' | 'replica to client';

/** Which way each kind goes. A kind that is missing here does not compile. */
const WAYS: Record<Message['kind'], readonly Way[]> = {
  request: ['client to replica', 'replica to replica'],
  'pre-prepare': ['replica to replica'],
  prepare: ['replica to replica'],
  commit: ['replica to replica'],
  checkpoint: ['replica to replica'],
  status: ['replica to replica'],
  committed: ['replica to replica'],
  'fetch-batch': ['replica to replica'],
  'batch-data': ['replica to replica'],
  'view-change': ['replica to replica'],
  'new-view': ['replica to replica'],
  flushed: ['replica to replica'],
  'flushed-certificate': ['replica to replica'],
  'query-stable': ['replica to replica'],
  'reply-stable': ['replica to replica'],
  forgotten: ['replica to replica'],
  'new-incarnation': ['replica to replica'],
  'fetch-state': ['replica to replica'],
  'state-data': ['replica to replica'],
  attach: ['client to replica'],
  inspect: ['client to replica'],
  reply: ['replica to client'],
  inspection: ['replica to client'],
  revoked: ['replica to client'],
};

/** Whether a message may come from that peer to one of our role. Clients speak for themselves; replicas relay for all. */
export function isAdmissible(role: Role, peer: Peer, message: Message): boolean {
  if (role === 'client') return WAYS[message.kind].includes('replica to client');
  if (peer.role === 'replica') return WAYS[message.kind].includes('replica to replica');
  if (message.kind === 'request' && message.session.client !== peer.id) return false;
  return WAYS[message.kind].includes('client to replica');
}
