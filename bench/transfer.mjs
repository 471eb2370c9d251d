// node bench/transfer.mjs [FILES] [MEGABYTES]: what it costs to bring a replica to the state of the others. Fills a mount
// with so many files of so much data in all (100,000 and 2,000); then, while a client goes on writing,
//   1. deletes all that replica 3 has and starts it with --rejoin;
//   2. for 0.1 %, 1 % and 10 % of the files: stops it, rewrites a block of each of these, over and over until the others
//      have left it too far behind for batches, and starts it again.
// Starts a cluster of its own in a temporary directory; needs root.
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../dist/src/cli/main.js', import.meta.url));
const SELF = fileURLToPath(import.meta.url);
const REPLICA = 3;
const FILLERS = 8;
const PER_DIRECTORY = 1000;
/** More batches than a replica may lag before it takes the state (Limits.transferLag). */
const LAG = 9000;
const BLOCK = 4096;

const nameOf = (root, file) => path.join(root, `d${Math.floor(file / PER_DIRECTORY)}`, `f${file}`);

/** Files of its share, each of a size of its own around the mean. */
function fill(root, files, bytes, share) {
  const mean = bytes / files;
  for (let file = share; file < files; file += FILLERS) {
    fs.mkdirSync(path.dirname(nameOf(root, file)), { recursive: true });
    fs.writeFileSync(nameOf(root, file), Buffer.alloc(Math.ceil(mean * (0.5 + ((file * 7919) % 1000) / 1000)), file));
  }
}

/** Rewrites the first block of every so manieth file, at least LAG times in all. */
function change(root, files, every) {
  for (let done = 0, pass = 1; done < LAG; pass++) {
    for (let file = 0; file < files; file += every, done++) {
      const fd = fs.openSync(nameOf(root, file), 'r+');
      fs.writeSync(fd, Buffer.alloc(BLOCK, pass + file), 0, BLOCK, 0);
      fs.closeSync(fd);
    }
  }
}

/** Creates small files until it is told to end, then says how long each took. */
function write(root) {
  fs.mkdirSync(root, { recursive: true });
  const took = [];
  const next = () => {
    const start = performance.now();
    fs.writeFileSync(path.join(root, `w${took.length}`), Buffer.alloc(BLOCK, 1));
    took.push(performance.now() - start);
    setTimeout(next, 5);
  };
  next();
  process.on('SIGTERM', () => {
    took.sort((a, b) => a - b);
    const at = (share) => took[Math.floor(share * (took.length - 1))];
    process.stdout.write(JSON.stringify({ medianMs: at(0.5), p99Ms: at(0.99), slowestMs: at(1) }));
    process.exit(0);
  });
}

function byzfs(...args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`byzfs ${args[0]}: ${stderr || stdout}`);
  return stdout;
}

/** One of the functions above in a process of its own, as the user of a mount must be. */
function run(what, ...args) {
  const child = spawn(process.execPath, [SELF, what, ...args.map(String)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  const ended = new Promise((resolve, reject) => {
    child.on('exit', (code) => (code === 0 ? resolve(output) : reject(new Error(`${what} ended with ${code}`))));
  });
  return { child, ended };
}

async function main(files, megabytes) {
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'byzfs-transfer-'));
  const [directory, mnt] = ['cluster', 'mnt'].map((name) => path.join(scratch, name));
  byzfs('up', '--detach', '--dir', directory, '--mount', mnt, '--base-port', '19600');
  const own = path.join(directory, `replica-${REPLICA}`);
  const others = path.join(directory, 'replica-0');
  const pid = () => Number(fs.readFileSync(path.join(directory, 'run', `replica-${REPLICA}.pid`), 'utf8'));
  const status = () => JSON.parse(byzfs('status', directory, '--json')).replicas[REPLICA];

  const stop = async () => {
    process.kill(pid(), 'SIGTERM');
    while (status().up) await delay(200);
  };

  /** Starts it with a client writing, until it is one of the others again. */
  const bringBack = async (title, ...more) => {
    const writer = run('write', path.join(mnt, `during-${title.replace(/\W/g, '')}`));
    const start = performance.now();
    const child = spawn(process.execPath, [CLI, 'replica', '--cluster', directory, '--id', String(REPLICA), ...more], {
      stdio: 'ignore',
    });
    child.unref();
    let now = status();
    while (now.transferred === null || now.transferred.transfers === 0 || now.state !== 'normal') {
      await delay(100);
      now = status();
    }
    const seconds = (performance.now() - start) / 1000;
    writer.child.kill('SIGTERM');
    const during = JSON.parse(await writer.ended);
    const { rows, nodes, bytes } = now.transferred;
    const rate = `${(bytes / 1e6 / seconds).toFixed(1)} MB/s`;
    console.log(
      `${title}: ${rows} rows, ${nodes} nodes, ${(bytes / 1e6).toFixed(1)} MB in ${seconds.toFixed(1)} s (${rate}); ` +
        `the client's create + write + close meanwhile: median ${during.medianMs.toFixed(1)} ms, ` +
        `p99 ${during.p99Ms.toFixed(0)} ms, slowest ${during.slowestMs.toFixed(0)} ms`,
    );
  };

  const sameState = () => {
    const { replicas } = JSON.parse(byzfs('status', directory, '--json', '--barrier'));
    const states = new Set(replicas.map(({ stableCheckpoint, stateRoot }) => `${stableCheckpoint} ${stateRoot}`));
    if (states.size !== 1) throw new Error(`the states differ: ${[...states].join(', ')}`);
  };

  try {
    const start = performance.now();
    const fillers = Array.from({ length: FILLERS }, (_, share) => run('fill', mnt, files, megabytes * 1e6, share));
    await Promise.all(fillers.map(({ ended }) => ended));
    const size = fs.statSync(path.join(others, 'state.db')).size;
    console.log(
      `${files} files, ${megabytes} MB: filled in ${((performance.now() - start) / 1000).toFixed(0)} s; ` +
        `the state of a replica takes ${(size / 1e6).toFixed(0)} MB on disk`,
    );
    const alone = run('write', path.join(mnt, 'alone'));
    await delay(10_000);
    alone.child.kill('SIGTERM');
    const { medianMs, p99Ms, slowestMs } = JSON.parse(await alone.ended);
    console.log(
      `nobody behind: median ${medianMs.toFixed(1)} ms, p99 ${p99Ms.toFixed(0)} ms, slowest ${slowestMs.toFixed(0)} ms`,
    );

    await stop();
    fs.rmSync(own, { recursive: true });
    await bringBack('all lost', '--rejoin');
    sameState();
    for (const percent of [0.1, 1, 10]) {
      await stop();
      await run('change', mnt, files, Math.round(100 / percent)).ended;
      await bringBack(`${percent} % changed`);
      sameState();
    }
  } finally {
    byzfs('down', '--dir', directory);
    fs.rmSync(scratch, { recursive: true });
  }
}

const [what, ...args] = process.argv.slice(2);
if (what === 'fill') fill(args[0], Number(args[1]), Number(args[2]), Number(args[3]));
else if (what === 'change') change(args[0], Number(args[1]), Number(args[2]));
else if (what === 'write') write(args[0]);
else await main(Number(what ?? 100_000), Number(args[0] ?? 2000));
