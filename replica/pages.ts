/** What a replica serves over HTTP: the status page, its own signed status, the cluster file, and metrics. */

import { formatCluster } from '../src/cluster/file.js';
import type { Cluster, Identity } from '../src/cluster/types.js';
import { SigningKey } from '../src/crypto/ed25519.js';
import { Signables } from '../src/crypto/signables.js';
import type { Document, Refusal, Route } from '../src/http/server.js';
import { metricsRoute } from '../src/metrics/route.js';
import { type Page, statusPage } from '../src/page/document.js';
import { NONCE, type SignedStatus } from '../src/status/signed.js';
import { replicaMetrics } from './metrics.js';
import type { ReplicaServer } from './server.js';

export interface PagesOptions {
  cluster: Cluster;
  identity: Identity;
  /** Where each replica serves its own, `http://HOST:PORT`. */
  addresses: string[];
  /** The one that runs now; undefined until it does. */
  server: () => ReplicaServer | undefined;
}

export function replicaPages({ cluster, identity, addresses, server }: PagesOptions): Record<string, Route> {
  const signables = new Signables(cluster.id);
  const key = new SigningKey(identity.seed);
  const metrics = metricsRoute(replicaMetrics(cluster, identity.id, () => server()?.figures));
  let page: Page | undefined;
  return {
    '/': () => {
      page ??= statusPage(cluster, addresses, `as replica ${identity.id} served it`);
      return { type: 'text/html; charset=utf-8', body: page.html, headers: { 'Content-Security-Policy': page.policy } };
    },
    '/metrics': metrics,
    '/cluster.json': () => ({ type: 'application/json', body: formatCluster(cluster) }),
    '/status': (query): Document | Refusal => {
      const nonce = query.get('nonce') ?? '';
      if (!NONCE.test(nonce)) return { refused: 400, why: '?nonce= and 32 digits of 0-9 a-f expected' };
      const running = server();
      if (running === undefined) return { refused: 503, why: 'the replica is being started' };
      const report = JSON.stringify(running.report());
      const time = Date.now();
      const signed = key.sign(signables.status(identity.id, time, Buffer.from(nonce, 'hex'), Buffer.from(report)));
      const status: SignedStatus = { replica: identity.id, time, nonce, report, signature: signed.toString('hex') };
      // Whoever can reach this address may read it: so may the page that another replica served.
      return {
        type: 'application/json',
        body: JSON.stringify(status),
        headers: { 'Access-Control-Allow-Origin': '*' },
      };
    },
  };
}
