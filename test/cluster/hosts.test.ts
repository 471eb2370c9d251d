/**
 * Four machines of four owners and one of a client, on a slow and lossy network, from the cards to the revocation. The long
 * form is `npm run soak:hosts`.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { must, run, shell } from './harness.js';
import { GUEST, Hosts, OWNERS } from './hosts/hosts.js';
import { examineLinks, on } from './hosts/network.js';

const ANDREW = path.join(import.meta.dirname, 'hosts/andrew.mjs');
const rounds = Number(process.env.BYZFS_HOSTS_ROUNDS ?? 1);
const long = rounds > 1;
/** The benchmark's tree, or one of five files, of which two are compiled. */
const andrew = long ? ['1'] : ['1', '1', 'cache'];

/** One writes and is revoked, the other reads. */
const CLIENTS = ['laptop', 'desk'];

const links = examineLinks();

describe.skipIf(links.obstacle !== null)(`five hosts, ${links.description}`, { timeout: 600_000 }, () => {
  let hosts: Hosts;
  let written: string;
  let number = 0;
  /** Where what was written is kept, to compare. */
  const kept = (name = ''): string => path.join(hosts.scratch, 'kept', name);

  /** A file on the mount of one client, on stable storage when that has returned. */
  async function write(name: string, content = randomBytes(50_000)): Promise<void> {
    fs.writeFileSync(kept(name), content);
    const target = path.join(written, name);
    await must('bash', ['-euc', `cp "$1" "$2"; sync "$2"`, 'write', kept(name), target]);
  }

  /** What another client's mount has of it. */
  const compare = (name: string): Promise<string> =>
    must('cmp', [kept(name), path.join(hosts.mountpointOf('desk'), name)]);

  async function change(): Promise<void> {
    await write('changing');
    await write(`file-${number++}`);
    await compare('changing');
    await compare(`file-${number - 1}`);
  }

  beforeAll(async () => {
    hosts = new Hosts(links.netem);
    await hosts.network.build();
    written = hosts.mountpointOf('laptop');
    fs.mkdirSync(kept());
    const [digests] = await Promise.all([hosts.agree(), ...CLIENTS.map((client) => hosts.makeClientCard(client))]);
    expect([digests.length, new Set(digests).size]).toEqual([4, 1]);
    for (const id of OWNERS.keys()) hosts.startReplica(id);
    await hosts.ready();
    for (const client of CLIENTS) await hosts.addClient(client);
    fs.copyFileSync(
      path.join(hosts.directoryOf('anna'), 'cluster.json'),
      path.join(hosts.directoryOf(GUEST), 'cluster.json'),
    );
    await Promise.all(CLIENTS.map((client) => hosts.mount(client)));
  }, 600_000);

  afterAll(() => hosts.destroy(), 60_000);

  it('carry nothing that could be read on the way', async () => {
    const [name, content, plain] = ['a-name-to-look-for', 'content to look for, again and again. ', 'said in plain'];
    const file = path.join(hosts.scratch, 'frames');
    const end = await hosts.network.capture(file);
    const text = Buffer.from(content.repeat(2000));
    await write(name, text);
    await compare(name);
    // Some of it is lost.
    const say = `for i in {1..20}; do echo ${plain} > /dev/udp/${hosts.network.addressOf('anna')}/9; done`;
    await must(...on(GUEST, 'bash', '-c', say));
    await end();
    const frames = fs.readFileSync(file);
    expect([name, content, plain].map((each) => frames.includes(each))).toEqual([false, false, true]);
    expect(frames.length).toBeGreaterThan(3 * text.length);
  });

  it('do the Andrew benchmark', async () => {
    const work = path.join(written, 'andrew');
    await must('mkdir', [work]);
    const times = await must(process.execPath, [ANDREW, work, ...andrew], { timeoutMs: 1_800_000 });
    if (long) console.log(`Andrew, seconds: ${times}`);
    await shell(`cp -r ${work} ${kept('andrew')}`);
  }, 1_800_000);

  describe.each(Array.from({ length: rounds }, (_, round) => round))('round %i', (round) => {
    it.each([
      ['a backup', 1 + (round % 3)],
      ['the primary', 0],
    ])('go on while the host of %s is cut off', async (_, after) => {
      const { view } = await hosts.ready();
      const host = OWNERS[(view + after) % 4];
      await hosts.network.cut(host);
      await change();
      await hosts.network.heal(host);
      if (after === 0) expect((await hosts.ready()).view).toBeGreaterThan(view);
    });

    it('wait while two hosts are cut off, and go on when they are back', async () => {
      const away = [OWNERS[round % 4], OWNERS[(round + 1 + (round % 3)) % 4]];
      await hosts.network.cut(...away);
      let isDone = false;
      const changed = change().then(() => {
        isDone = true;
      });
      await delay(2000);
      expect(isDone).toBe(false);
      await hosts.network.heal(...away);
      await changed;
    });

    it('take a replica back that was killed and lost its disk', async () => {
      const id = (round + 2) % 4;
      await hosts.killReplica(id);
      await change();
      fs.rmSync(path.join(hosts.directoryOf(OWNERS[id]), `replica-${id}`), { recursive: true });
      hosts.startReplica(id, '--rejoin');
      const { view, replicas } = await hosts.ready();
      // So there were roots to compare.
      expect(replicas[id].stableCheckpoint).toBeGreaterThan(0);
      // No quorum is without it now.
      const other = OWNERS.find((_, each) => each !== id && each !== view % 4)!;
      await hosts.network.cut(other);
      await change();
      await hosts.network.heal(other);
    });
  });

  it('refuse a client that was revoked, and have every byte for the other', async () => {
    await hosts.byzfs('anna', 'client', 'revoke', hosts.directoryOf('anna'), 'laptop');
    for (const call of ['touch', 'cat', 'ls']) {
      const { code, stderr } = await run(call, [path.join(written, 'changing')]);
      expect([call, code > 0, stderr]).toEqual([call, true, expect.stringContaining('Permission denied')]);
    }
    await must('diff', ['-r', kept(), hosts.mountpointOf('desk')]);
  });
});
