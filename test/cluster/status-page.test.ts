import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { loadCluster } from '../../src/cluster/file.js';
import { loadReplicaIdentity } from '../../src/cluster/identity.js';
import { SigningKey } from '../../src/crypto/ed25519.js';
import { Signables } from '../../src/crypto/signables.js';
import { freePorts } from '../ports.js';
import { Browser, CHROMIUM, WITHOUT_CHROMIUM } from './browser.js';
import { must, TestCluster, until } from './harness.js';

const LIAR = 3;

/** What the page shows. */
interface Shown {
  headline: string;
  level: string;
  digest: string;
  view: string;
  primary: string;
  roots: string;
  /** By replica: how its row is marked, and its state. */
  rows: { className: string; state: string; root: string }[];
  remarks: string[];
}

const LOOK = `(() => {
  const text = (id) => document.getElementById(id).textContent;
  return {
    headline: text('headline'),
    level: document.getElementById('headline').className,
    ...{ digest: text('digest'), view: text('view'), primary: text('primary'), roots: text('roots') },
    rows: [...document.querySelectorAll('#replicas tr')].map((row) => ({
      className: row.className,
      state: row.querySelector('.state').textContent,
      root: row.querySelector('.root').textContent,
    })),
    remarks: [...document.querySelectorAll('#remarks li')].map((item) => item.textContent),
  };
})()`;

describe.skipIf(CHROMIUM === undefined)(`the status page${WITHOUT_CHROMIUM}`, { timeout: 240_000 }, () => {
  const cluster = new TestCluster();
  const ports = freePorts(4);
  let browser: Browser;
  /** Answers in the place of the replica that lies. */
  let liar: http.Server;
  let lie: (url: string) => Promise<string>;

  const address = (id: number): string => `127.0.0.1:${ports + id}`;

  beforeAll(async () => {
    await cluster.up('--no-mount', '--http', String(ports));
    await cluster.status({ barrier: true });
    browser = new Browser();
    liar = http.createServer((request, response) => {
      response.setHeader('Access-Control-Allow-Origin', '*');
      lie(request.url!).then(
        (body) => response.end(body),
        () => response.destroy(),
      );
    });
    await new Promise<void>((listening) => liar.listen(0, '127.0.0.1', listening));
  }, 240_000);

  afterAll(async () => {
    await browser?.close();
    liar?.close();
    await cluster.destroy();
  }, 120_000);

  beforeEach(() => {
    lie = async () => 'nothing';
  });

  const shown = (what: string, satisfies: (shown: Shown) => boolean): Promise<Shown> =>
    browser.until(what, LOOK, satisfies);

  const truth = async (url: string, id = LIAR): Promise<string> => (await fetch(`http://${address(id)}${url}`)).text();

  /** Signs as the liar does: with its own key. */
  function signed(nonce: string, report: object, replica = LIAR): string {
    const known = loadCluster(cluster.directory);
    const { seed } = loadReplicaIdentity(cluster.directory, known, LIAR);
    const time = Date.now();
    const text = JSON.stringify(report);
    const digest = new Signables(known.id).status(replica, time, Buffer.from(nonce, 'hex'), Buffer.from(text));
    const signature = new SigningKey(seed).sign(digest).toString('hex');
    return JSON.stringify({ replica, time, nonce, report: text, signature });
  }

  const nonceOf = (url: string): string => new URL(url, 'http://liar').searchParams.get('nonce')!;

  /** The truth with something in it changed, and signed. */
  const altered =
    (change: object) =>
    async (url: string): Promise<string> =>
      signed(nonceOf(url), { ...JSON.parse(JSON.parse(await truth(url)).report), ...change });

  /** The page as a file, which looks at the liar instead of the replica. */
  async function openBesideLiar(): Promise<void> {
    const file = path.join(cluster.scratch, 'page.html');
    const { port } = liar.address() as AddressInfo;
    const peers = [0, 1, 2].map(address).join(',');
    const wrote = await cluster.byzfs(
      'page',
      cluster.directory,
      '--output',
      file,
      '--http-peers',
      `${peers},127.0.0.1:${port}`,
    );
    expect(wrote.code).toBe(0);
    await browser.open(`file://${file}`);
  }

  it.each(['light', 'dark'] as const)('shows a cluster that is well, in %s', async (colours) => {
    await browser.open(`http://${address(1)}/`, colours);
    const page = await shown('all well', ({ level }) => level === 'well');
    const known = loadCluster(cluster.directory);
    expect(page.digest).toBe(known.id.toString('hex'));
    const { view, replicas } = await cluster.status();
    expect(page).toMatchObject({ view: String(view), primary: String(view % 4), remarks: [] });
    expect(page.roots).toContain(`4 replicas have ${replicas[0].stateRoot.slice(0, 12)}`);
    expect(page.rows).toEqual(
      Array.from({ length: 4 }, () => ({
        ...{ className: '', state: 'normal', root: `${replicas[0].stateRoot.slice(0, 12)} ✓` },
      })),
    );
    expect(browser.complaints).toEqual([]);
    const dark = await browser.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    expect(dark).toBe(colours === 'dark' ? 'rgb(26, 26, 25)' : 'rgb(252, 252, 251)');
    expect(await browser.evaluate('document.documentElement.scrollWidth <= window.innerWidth')).toBe(true);
  });

  it('draws how many calls there are and how long they take', async () => {
    await browser.open(`http://${address(0)}/`);
    await shown('all well', ({ level }) => level === 'well');
    const ordering = cluster.status({ barrier: true });
    const curves = 'document.querySelectorAll("#charts polyline").length';
    await browser.until<number>('curves of calls and latencies', curves, (count) => count >= 3);
    await ordering;
    // BYZFS_SCREENSHOT=docs/status-page.png makes the picture of the README.
    if (process.env.BYZFS_SCREENSHOT !== undefined) {
      for (let i = 0; i < 6; i++) await cluster.status({ barrier: true });
      await browser.screenshot(process.env.BYZFS_SCREENSHOT);
    }
    expect(browser.complaints).toEqual([]);
  });

  const LIES: [what: string, lie: (url: string) => Promise<string>, said: RegExp, state: string][] = [
    [
      'a wrong root',
      altered({ stateRoot: 'ab'.repeat(32) }),
      /^replica 3: its state differs from that of 2 others/,
      'normal',
    ],
    ['a foreign view', altered({ view: 4000 }), /^replica 3: says view 4000, in which no quorum can be$/, 'normal'],
    [
      'a forged signature',
      async (url) => (await truth(url)).replace(/"signature":"../, '"signature":"00'),
      /^replica 3: what answers at its address has not signed with its key$/,
      'not proven',
    ],
    ["another's status", (url) => truth(url, 2), /^replica 3: replica 2 answers at its address$/, 'not proven'],
    [
      "another's status as its own",
      async (url) => JSON.stringify({ ...JSON.parse(await truth(url, 2)), replica: LIAR }),
      /^replica 3: what answers at its address has not signed with its key$/,
      'not proven',
    ],
    [
      'an old status',
      () => truth(`/status?nonce=${'07'.repeat(16)}`),
      /^replica 3: it repeats an old answer$/,
      'not proven',
    ],
    [
      'nonsense in a status',
      altered({ lastExecuted: '<img src=x onerror=alert(1)>' }),
      /^replica 3: its report makes no sense: lastExecuted$/,
      'not proven',
    ],
    [
      'more than a page should read',
      async () => 'x'.repeat(1_000_000),
      /^replica 3 does not answer$/,
      'does not answer',
    ],
  ];

  it.each(LIES)('says who tells %s', async (_, given, said, state) => {
    lie = given;
    await openBesideLiar();
    const page = await shown('a remark', ({ remarks }) => remarks.some((line) => said.test(line)));
    expect(page.level).toBe('doubtful');
    expect(page.rows.map((row) => row.className === '')).toEqual([true, true, true, false]);
    expect(page.rows[LIAR].state).toBe(state);
    expect(page.view).toBe(String((await cluster.status()).view));
  });

  it('shows what a replica says of another as text', async () => {
    const why = '<img src=x onerror="document.title=1"><script>document.title=1</script>';
    lie = altered({ suspicions: [{ replica: 0, why }] });
    await openBesideLiar();
    const page = await shown('the accusation', ({ remarks }) => remarks.length > 0);
    expect(page.remarks).toEqual([`replica 3 suspects replica 0: ${why}`]);
    // One word against another suspects nobody.
    expect(page).toMatchObject({ level: 'well' });
    expect(await browser.evaluate('document.images.length + document.querySelectorAll("#remarks script").length')).toBe(
      0,
    );
  });

  it('is not believed by another cluster: every signature is wrong under its digest', async () => {
    const file = path.join(cluster.scratch, 'foreign.html');
    const peers = [0, 1, 2, 3].map(address).join(',');
    await cluster.byzfs('page', cluster.directory, '--output', file, '--http-peers', peers);
    // As a lying replica would serve it: with a cluster file that differs in one number.
    const page = fs.readFileSync(file, 'utf8');
    const foreign = page.replace(
      /(\\"createdSeconds\\": )(\d+)/,
      (_, name, seconds) => `${name}${Number(seconds) + 1}`,
    );
    expect(foreign).not.toBe(page);
    fs.writeFileSync(file, foreign);
    await browser.open(`file://${file}`);
    const seen = await shown('four suspects', ({ level }) => level === 'bad');
    expect(seen.rows.map(({ state }) => state)).toEqual(Array(4).fill('not proven'));
    expect(seen.digest).not.toBe(loadCluster(cluster.directory).id.toString('hex'));
  });

  it('shows that one is down, and that it is back', async () => {
    await browser.open(`http://${address(0)}/`);
    await shown('all well', ({ level }) => level === 'well');
    const down = 2;
    cluster.kill(down);
    const page = await shown('that it is down', ({ rows }) => rows[down]?.state === 'does not answer');
    expect(page.level).toMatch(/doubtful|bad/);
    expect(page.remarks).toContain('replica 2 does not answer');
    const [where, port] = [cluster.directory, address(down)];
    const log = path.join(cluster.scratch, 'again.log');
    await must('bash', [
      '-c',
      `exec ${process.execPath} dist/src/cli/main.js replica --cluster ${where} --id ${down} --http ${port} > ${log} 2>&1 &`,
    ]);
    await shown('all well again', ({ level }) => level === 'well');
  });
});

describe('what a replica serves over HTTP', { timeout: 120_000 }, () => {
  const cluster = new TestCluster(1);
  const port = freePorts(1);
  const url = (path: string): string => `http://127.0.0.1:${port}${path}`;

  beforeAll(() => cluster.up('--no-mount', '--http', String(port)).then(() => undefined), 120_000);
  afterAll(() => cluster.destroy(), 60_000);

  it('is a few documents, to be got and nothing else', async () => {
    const page = await fetch(url('/'));
    expect(page.headers.get('content-security-policy')).toMatch(/default-src 'none'.*frame-ancestors 'none'/);
    expect(page.headers.get('x-content-type-options')).toBe('nosniff');
    expect((await fetch(url('/cluster.json'))).status).toBe(200);
    for (const path of ['/keys/', '/index.html', '//', '/.%2fcluster.json', '/constructor', '/__proto__']) {
      expect((await fetch(url(path))).status, path).toBe(404);
    }
    for (const method of ['POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS']) {
      expect((await fetch(url('/status'), { method })).status, method).toBe(405);
    }
    expect((await fetch(url('/status'), { method: 'POST', body: 'x' })).status).toBe(413);
    for (const nonce of ['', 'x', '0'.repeat(31), '0'.repeat(33), 'Z'.repeat(32)]) {
      expect((await fetch(url(`/status?nonce=${nonce}`))).status, nonce).toBe(400);
    }
    expect((await fetch(url(`/status?nonce=${'0'.repeat(32)}`))).headers.get('access-control-allow-origin')).toBe('*');
    expect((await fetch(url('/cluster.json'))).headers.get('access-control-allow-origin')).toBeNull();
  });

  it('is bounded: who asks too much or too long is sent away, and the replica works on', async () => {
    const begun = performance.now();
    const many = await Promise.all(
      Array.from({ length: 400 }, () =>
        fetch(url(`/status?nonce=${'0'.repeat(32)}`)).then(
          ({ status }) => status,
          () => 0,
        ),
      ),
    );
    const seconds = (performance.now() - begun) / 1000;
    const answered = many.filter((status) => status === 200).length;
    expect(answered).toBeGreaterThan(0);
    // A second's worth at once, and as many in each second that follows.
    expect(answered).toBeLessThanOrEqual(100 + 100 * seconds);
    const long = await fetch(url(`/status?nonce=${'0'.repeat(20_000)}`)).catch(() => ({ status: 0 }));
    expect(long.status).not.toBe(200);
    // Connections that say nothing.
    const { connect } = await import('node:net');
    const idle = Array.from({ length: 200 }, () =>
      connect(port, '127.0.0.1')
        .resume()
        .on('error', () => undefined),
    );
    await until(
      'they are closed',
      () => idle.filter((socket) => socket.readyState === 'closed').length >= 136,
      100_000,
    );
    expect((await cluster.status()).quorum).toBe(true);
    await until(
      'those that were taken are closed too',
      () => idle.every((socket) => socket.readyState === 'closed'),
      100_000,
    );
    expect((await fetch(url(`/status?nonce=${'0'.repeat(32)}`))).status).toBe(200);
  });

  it('is refused in one line where it cannot be served', async () => {
    const taken = await cluster.byzfs('replica', '--cluster', cluster.directory, '--id', '0', '--http', '127.0.0.1:x');
    expect(taken).toMatchObject({ code: 2 });
    expect(taken.stderr).toMatch(/HOST:PORT, or PORT on the loopback interface, expected/);
    expect(taken.stderr.trim().split('\n')).toHaveLength(1);
  });
});
