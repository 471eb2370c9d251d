/** Which links are encrypted. Both ends derive it from the cluster file, which they both bind into their handshake. */
import type { Cluster, Role } from './types.js';

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1)$/i;

const isLoopback = ({ replicas }: Cluster, id: number): boolean => LOOPBACK.test(replicas[id].host);

/**
 * Whether what `dialer` and the replica that it dials say to each other is encrypted. Where the cluster leaves it open, it is
 * unless all of it stays on one machine, as it does if a client dials an address of its own machine only.
 */
export function isLinkEncrypted(cluster: Cluster, acceptor: number, dialer: { role: Role; id: number }): boolean {
  if (cluster.encryption !== 'auto') return cluster.encryption === 'on';
  return !isLoopback(cluster, acceptor) || (dialer.role === 'replica' && !isLoopback(cluster, dialer.id));
}
