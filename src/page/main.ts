/// <reference lib="dom" />
/**
 * The status page, in the browser. It asks every replica itself, with a nonce each time, and believes what is signed by the
 * key that the cluster file has for it; which replica served the page changes nothing but the page itself (README).
 */
import { bytesToHex } from '@noble/hashes/utils.js';
import { readCluster } from '../status/known-cluster.js';
import { newNonce, type Opened, openStatus, STATUS_BYTES } from '../status/signed.js';
import { Watch } from '../status/watch.js';
import { Charts } from './charts.js';
import type { PageContent } from './content.js';
import { byId, write } from './elements.js';
import { fetchText } from './fetch-text.js';
import { showLook } from './look.js';

const LOOK_MS = 2000;
const ANSWER_MS = 3000;

const content = JSON.parse(byId('content').textContent) as PageContent;
const cluster = readCluster(content.cluster);
const digest = bytesToHex(cluster.id);
const watch = new Watch({ cluster: digest, f: cluster.f });
const charts = new Charts(byId('charts'));

async function ask(replica: number): Promise<Opened> {
  const nonce = newNonce();
  try {
    const text = await fetchText(`${content.addresses[replica]}/status?nonce=${nonce}`, STATUS_BYTES * 3, ANSWER_MS);
    return openStatus(cluster, text, { replica, nonce });
  } catch {
    return { answer: { kind: 'silence' }, time: null };
  }
}

async function look(): Promise<void> {
  const opened = await Promise.all(cluster.replicas.map(({ id }) => ask(id)));
  const seen = watch.look(
    performance.now(),
    opened.map(({ answer }) => answer),
  );
  const clocks = opened.map(({ time }) => (time === null ? null : time - Date.now()));
  showLook(seen, clocks, content.addresses);
  charts.add(performance.now(), seen.vouched);
}

async function goOn(): Promise<void> {
  for (;;) {
    const begun = performance.now();
    if (!document.hidden) await look();
    await new Promise((resolve) => setTimeout(resolve, Math.max(200, begun + LOOK_MS - performance.now())));
  }
}

write('digest', digest);
write('source', content.source);
void goOn();
