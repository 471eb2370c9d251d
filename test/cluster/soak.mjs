// npm run soak [-- SECONDS [SEED]]: the same random file operations on a mount and on local disk, each outcome and
// at the end everything compared, while replicas are killed with SIGKILL and started again: one at a time, the primary
// too, and now and then all at once. Needs root.
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));
const SELF = fileURLToPath(import.meta.url);

/** mulberry32: the same operations for the same seed, whatever the replicas do meanwhile. */
function random(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const outcome = (action) => {
  try {
    return String(action() ?? 'ok');
  } catch (error) {
    return error.code;
  }
};

/** One operation as a function of the root it is done under. */
function operation(pick, round) {
  const name = () => ['a', 'b', 'c', 'd', 'e', 'f', 'g'][pick(7)];
  const anyPath = () => Array.from({ length: 1 + pick(3) }, name).join('/');
  const one = anyPath();
  const two = anyPath();
  const data = Buffer.alloc(1 + pick(pick(8) === 0 ? 200_000 : 9000), round & 0xff);
  const at = pick(pick(4) === 0 ? 300_000 : 20_000);
  const in_ = (root, p) => path.join(root, p);
  const withFile = (root, flags, use) => {
    const fd = fs.openSync(in_(root, one), flags, 0o640);
    try {
      return use(fd);
    } finally {
      fs.closeSync(fd);
    }
  };
  const kinds = [
    (root) => fs.mkdirSync(in_(root, one)),
    (root) => fs.writeFileSync(in_(root, one), data),
    (root) => fs.appendFileSync(in_(root, one), data),
    (root) => withFile(root, 'r+', (fd) => fs.writeSync(fd, data, 0, data.length, at)),
    (root) => withFile(root, 'wx', (fd) => fs.fsyncSync(fd)),
    (root) => fs.truncateSync(in_(root, one), at),
    (root) => fs.renameSync(in_(root, one), in_(root, two)),
    (root) => fs.unlinkSync(in_(root, one)),
    (root) => fs.rmdirSync(in_(root, one)),
    (root) => fs.symlinkSync(two, in_(root, one)),
    (root) => fs.linkSync(in_(root, one), in_(root, two)),
    (root) => fs.chmodSync(in_(root, one), 0o600 + pick(0o100)),
    (root) => fs.utimesSync(in_(root, one), 1e9 + round, 1e9 + round),
    (root) => fs.readdirSync(in_(root, one)).sort().join(),
    (root) => fs.readFileSync(in_(root, one)).toString('latin1'),
    (root) => `${fs.statSync(in_(root, one)).size}`,
  ];
  return kinds[pick(kinds.length)];
}

/** The workload, in a process of its own. Prints how many operations agreed; fails at the first that did not. */
function work(mounted, local, seed, seconds) {
  const pick = random(seed);
  const end = Date.now() + seconds * 1000;
  let round = 0;
  let slowestMs = 0;
  for (; Date.now() < end; round++) {
    const before = pick(2 ** 31);
    const there = operation(random(before), round);
    const here = operation(random(before), round);
    const start = performance.now();
    const remote = outcome(() => there(mounted));
    slowestMs = Math.max(slowestMs, performance.now() - start);
    const plain = outcome(() => here(local));
    // Directories have a size of their own on every file system.
    if (remote !== plain && plain !== '4096') {
      process.stderr.write(`operation ${round}: ${remote.slice(0, 80)} on the mount, ${plain.slice(0, 80)} on disk\n`);
      process.exit(1);
    }
  }
  process.stdout.write(`${round} operations agree, the slowest took ${Math.round(slowestMs)} ms\n`);
}

function byzfs(...args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`byzfs ${args[0]}: ${stderr || stdout}`);
  return stdout;
}

async function main(seconds, seed) {
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'byzfs-soak-'));
  const [directory, mounted, local] = ['cluster', 'mnt', 'local'].map((name) => path.join(scratch, name));
  fs.mkdirSync(local);
  const up = () => byzfs('up', '--detach', '--dir', directory, '--mount', mounted, '--base-port', '19400');
  up();
  const pick = random(seed + 1);
  const kill = (id) => process.kill(Number(fs.readFileSync(`${directory}/run/replica-${id}.pid`, 'utf8')), 'SIGKILL');
  let failed = true;
  try {
    const args = [SELF, 'work', mounted, local, String(seed), String(seconds)];
    const worker = spawn(process.execPath, args, { stdio: 'inherit' });
    const ended = new Promise((resolve) => worker.on('exit', resolve));
    const end = Date.now() + (seconds - 5) * 1000;
    let kills = 0;
    while (Date.now() < end) {
      await Promise.race([delay(500 + pick(3000)), ended]);
      if (worker.exitCode !== null) break;
      const victims = pick(5) === 0 ? [0, 1, 2, 3] : [pick(4)];
      for (const id of victims) kill(id);
      kills += victims.length;
      await delay(pick(1500));
      up();
    }
    if ((await ended) !== 0) throw new Error(`the workload failed (seed ${seed}); all is left in ${scratch}`);
    const listing = "find . -mindepth 1 -printf '%p %m %n %y %l\\n' | sort; find . -type f | sort | xargs -r sha256sum";
    const [there, here] = [mounted, local].map((cwd) => spawnSync('bash', ['-c', listing], { cwd, encoding: 'utf8' }));
    if (there.stdout !== here.stdout) throw new Error(`mount and local disk differ (seed ${seed}); see ${scratch}`);
    const { replicas } = JSON.parse(byzfs('status', directory, '--json', '--barrier'));
    const roots = new Set(replicas.map(({ stableCheckpoint, stateRoot }) => `${stableCheckpoint} ${stateRoot}`));
    if (roots.size !== 1) throw new Error(`the replicas' states differ: ${[...roots].join(', ')}`);
    console.log(`${kills} replicas killed; ${there.stdout.split('\n').length - 1} lines alike; one state`);
    failed = false;
  } finally {
    byzfs('down', '--dir', directory);
    if (!failed) fs.rmSync(scratch, { recursive: true });
  }
}

if (process.argv[2] === 'work')
  work(process.argv[3], process.argv[4], Number(process.argv[5]), Number(process.argv[6]));
else await main(Number(process.argv[2] ?? 600), Number(process.argv[3] ?? 1));
