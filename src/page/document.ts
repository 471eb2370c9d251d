/** The status page as one document, for a replica to serve and for a file. */
import { createHash } from 'node:crypto';
import { formatCluster } from '../cluster/file.js';
import type { Cluster } from '../cluster/types.js';
import { PAGE_STYLE } from '../drawing/theme.js';
import type { PageContent } from './content.js';
import { linkScript } from './link.js';

const STYLE = `${PAGE_STYLE}
body{max-width:1000px}
#headline{font-size:1.15rem;font-weight:600;color:var(--ink);padding:.5rem .8rem;border-left:.4rem solid var(--s2);background:var(--grid)}
#headline.doubtful{border-color:var(--s3)}
#headline.bad{border-color:var(--s7)}
dl.facts{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem}
dl.facts dd{margin:0}
.mono,.root{font-family:ui-monospace,"DejaVu Sans Mono",monospace;overflow-wrap:anywhere}
table{width:100%}
tr.bad .name,li.bad{color:var(--s7);font-weight:600}
tr.doubtful .name,li.doubtful{color:var(--s3);font-weight:600}
td{font-variant-numeric:tabular-nums}
svg{margin:1rem 0 0}
.curve{stroke-linecap:round}
`;

const BODY = `
<h1>byzfs</h1>
<p id="headline" role="status">Asking the replicas …</p>
<dl class="facts">
<dt>cluster</dt><dd id="digest" class="mono">–</dd>
<dt>view</dt><dd id="view">–</dd>
<dt>primary</dt><dd id="primary">–</dd>
<dt>quorum</dt><dd id="quorum">–</dd>
<dt>state</dt><dd id="roots">–</dd>
<dt>looked at</dt><dd id="looked">–</dd>
</dl>
<div class="scroll"><table>
<thead><tr><th>replica</th><th>status from</th><th>state</th><th class="n">view</th><th class="n">executed</th>
<th class="n">checkpoint</th><th>root</th><th class="n">calls</th></tr></thead>
<tbody id="replicas"></tbody></table></div>
<ul id="remarks"></ul>
<div id="charts"></div>
<p>Each replica was asked by this browser, and its answer counts only with its signature, made for this very question. View,
calls and latency are what f+1 replicas say, so that one of them is correct. Compare the cluster's digest with that of
<span class="mono">byzfs status</span>: it is computed here, from the cluster file that came with the page. What nobody can check
from inside is the page itself, <span id="source"></span>: open it from two replicas, or from a file that
<span class="mono">byzfs page</span> wrote.</p>
`;

export interface Page {
  html: string;
  /** Content-Security-Policy, which is in the document too. */
  policy: string;
}

const digestOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

let script: string | undefined;

/** @param addresses by replica, `http://HOST:PORT` */
export function statusPage(cluster: Cluster, addresses: string[], source: string): Page {
  script ??= linkScript(new URL('./main.js', import.meta.url));
  const content: PageContent = { cluster: formatCluster(cluster), addresses, source };
  const policy = [
    "default-src 'none'",
    `script-src ${digestOf(script)}`,
    `style-src ${digestOf(STYLE)}`,
    // The grammar of policies has no IPv6 addresses.
    `connect-src ${addresses.some((each) => each.includes('[')) ? 'http:' : addresses.join(' ')}`,
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
  ].join('; ');
  const html = `<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width"><title>byzfs</title><link rel="icon" href="data:,">
<style>${STYLE}</style></head><body>${BODY}
<script type="application/json" id="content">${JSON.stringify(content).replaceAll('<', '\\u003c')}</script>
<script>${script}</script>
</body></html>
`;
  return { html, policy: `${policy}; frame-ancestors 'none'` };
}
