/** A cluster from the cards of its members: the same whoever puts it together, whatever order the cards come in. */
import type { Card, ClientCard, ReplicaCard } from './card.js';
import { CLUSTER_SIZES, type ClusterOptions, clusterOf } from './create.js';
import { ClusterError } from './errors.js';
import { ADMIN } from './registry.js';
import type { Cluster } from './types.js';

export interface GivenCard {
  /** How errors name it. */
  file: string;
  card: Card;
}

const refused = (why: string) => new ClusterError('invalid', why);

/** @throws ClusterError: two have the same `what` */
function requireDistinct(given: readonly GivenCard[], what: string, of: (card: Card) => string | undefined): void {
  const seen = new Map<string, string>();
  for (const { file, card } of given) {
    const value = of(card);
    if (value === undefined) continue;
    const earlier = seen.get(value);
    if (earlier !== undefined) throw refused(`${earlier} and ${file} have the same ${what}: each member has its own`);
    seen.set(value, file);
  }
}

/** By code units, so that no machine's language changes the numbers. */
const byName = (a: Card, b: Card): number => (a.name < b.name ? -1 : 1);

/**
 * Members are numbered by their names. The cluster came to be when the last card was made.
 * @throws ClusterError: cards do not make a cluster, and why
 */
export function assemble(given: readonly GivenCard[], options: Omit<ClusterOptions, 'createdSeconds'>): Cluster {
  requireDistinct(given, 'key', ({ publicKey }) => publicKey.toString('hex'));
  requireDistinct(given, 'name', ({ role, name }) => `${role} ${name}`);
  requireDistinct(given, 'address', (card) =>
    card.role === 'replica' ? `${card.host.toLowerCase()} ${card.port}` : undefined,
  );
  const cards = given.map(({ card }) => card).sort(byName);
  const replicas = cards.filter((card): card is ReplicaCard => card.role === 'replica');
  const clients = cards.filter((card): card is ClientCard => card.role === 'client');
  const n = replicas.length;
  if (!CLUSTER_SIZES.includes(n)) {
    throw refused(`${n} ${n === 1 ? 'card' : 'cards'} of replicas: ${CLUSTER_SIZES.join(', ')} make a cluster`);
  }
  if (!clients.some(({ name }) => name === ADMIN)) {
    throw refused(
      `no card of the client ${ADMIN}: whoever administers the cluster makes one with byzfs init DIR --client-card ${ADMIN}`,
    );
  }
  return clusterOf(replicas, clients, {
    ...options,
    createdSeconds: Math.max(...cards.map(({ createdSeconds }) => createdSeconds)),
  });
}
