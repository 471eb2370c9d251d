// npm run soak:crashes [-- ROUNDS [SEED]]: all replicas are killed with SIGKILL at once, at a random moment under load, and
// started again; every byte of which an fsync returned is then read through a new mount. Needs root.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));
const SELF = fileURLToPath(import.meta.url);
const REPLICAS = [0, 1, 2, 3];
const FILES = 12;

/** What is at `offset` of a file: the same for whoever asks. */
function content(file, offset, length) {
  const seed = createHash('sha256').update(`${file} ${offset}`).digest();
  return Buffer.alloc(length, seed);
}

/**
 * Appends to files of its own and fsyncs them now and then, for so long; whenever an fsync has returned, writes to
 * `ledger`, on local disk, how much of which file it covers. Directories are made and fsynced too.
 */
function work(mounted, ledger, round, ms) {
  const log = fs.openSync(ledger, 'a');
  const end = Date.now() + ms;
  const directory = path.join(mounted, `round-${round}`);
  fs.mkdirSync(directory);
  const files = [];
  for (let step = 0; Date.now() < end; step++) {
    const file = files[step % FILES] ?? { name: `round-${round}/file-${step}`, size: 0, pieces: [] };
    if (files[step % FILES] === undefined) files[step % FILES] = file;
    file.fd ??= fs.openSync(path.join(mounted, file.name), 'wx');
    const length = 1 + Math.floor(Math.random() ** 4 * 150_000);
    fs.writeSync(file.fd, content(file.name, file.size, length), 0, length, file.size);
    file.pieces.push(length);
    file.size += length;
    if (Math.random() < 0.4) continue;
    fs.fsyncSync(file.fd);
    fs.writeSync(log, `${JSON.stringify({ name: file.name, pieces: file.pieces })}\n`);
  }
  for (const { fd } of files) if (fd !== undefined) fs.closeSync(fd);
}

/** Reads all that the ledger has, of every round; prints how many bytes that is. Fails if one of them is lost. */
function verify(mounted, ledger) {
  const last = new Map();
  for (const line of fs.readFileSync(ledger, 'utf8').split('\n')) {
    if (line === '') continue;
    const { name, pieces } = JSON.parse(line);
    last.set(name, pieces);
  }
  let bytes = 0;
  for (const [name, pieces] of last) {
    const found = fs.readFileSync(path.join(mounted, name));
    let offset = 0;
    for (const length of pieces) {
      if (!found.subarray(offset, offset + length).equals(content(name, offset, length))) {
        process.stderr.write(`${name}: what was fsynced at ${offset} is lost or altered\n`);
        process.exit(1);
      }
      offset += length;
    }
    bytes += offset;
  }
  process.stdout.write(`${last.size} files, ${bytes} bytes`);
}

function run(...args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 120_000 });
  if (status !== 0) throw new Error(`${args.slice(1, 3).join(' ')}: ${stderr || stdout}`);
  return stdout;
}

async function main(rounds, seed) {
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'byzfs-crashes-'));
  const [directory, mounted, ledger] = ['cluster', 'mnt', 'ledger'].map((name) => path.join(scratch, name));
  const up = () => run(CLI, 'up', '--detach', '--dir', directory, '--mount', mounted, '--base-port', '19500');
  const kill = (id) => process.kill(Number(fs.readFileSync(`${directory}/run/replica-${id}.pid`, 'utf8')), 'SIGKILL');
  let failed = true;
  try {
    up();
    let checked = '';
    for (let round = 1; round <= rounds; round++) {
      const ms = 1500;
      const worker = spawn(process.execPath, [SELF, 'work', mounted, ledger, String(round), String(ms)], {
        stdio: 'inherit',
      });
      const ended = new Promise((resolve) => worker.on('exit', resolve));
      await delay(200 + ((seed * 7919 + round * 104_729) % 1200));
      for (const id of REPLICAS) kill(id);
      up();
      if ((await ended) !== 0) throw new Error(`round ${round}: the workload failed; all is left in ${scratch}`);
      // A new mount has nothing in its caches.
      run(CLI, 'umount', mounted);
      up();
      checked = run(SELF, 'verify', mounted, ledger);
      if (round % 10 === 0) console.log(`round ${round}: ${checked} as they were`);
    }
    const { replicas } = JSON.parse(run(CLI, 'status', directory, '--json', '--barrier'));
    const roots = new Set(replicas.map(({ stableCheckpoint, stateRoot }) => `${stableCheckpoint} ${stateRoot}`));
    if (roots.size !== 1) throw new Error(`the replicas' states differ: ${[...roots].join(', ')}`);
    console.log(`all ${REPLICAS.length} replicas killed ${rounds} times; ${checked} fsynced, none lost; one state`);
    failed = false;
  } finally {
    run(CLI, 'down', '--dir', directory);
    if (!failed) fs.rmSync(scratch, { recursive: true });
  }
}

const [what, ...args] = process.argv.slice(2);
if (what === 'work') work(args[0], args[1], Number(args[2]), Number(args[3]));
else if (what === 'verify') verify(args[0], args[1]);
else await main(Number(what ?? 50), Number(args[0] ?? 1));
