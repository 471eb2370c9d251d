// node bench/checkpoints.mjs [FILES]: what a checkpoint costs a replica that has so many files (50,000) of 4 KiB, by the
// number of files written to since the one before, each of which is two rows: how long nothing else runs for the checkpoint,
// and for handing rows to SQLite and the tree at any batch between two; all of that by row; and for the commit of SQLite's
// transaction after it. And what a state takes on disk: for each small file, and for each MB of a large one.
// Drives the state as a replica does, without a network, in a temporary directory.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import Database from 'better-sqlite3';

/** What is built; not part of what the compiler sees of this. */
const built = (file) => import(new URL(`../dist/${file}`, import.meta.url).href);

const { createFileState } = await built('replica/state/index.js');
const { encodeOperation } = await built('src/fileservice/operations.js');
const { decodeResult } = await built('src/fileservice/results.js');
const { ROOT_HANDLE } = await built('src/fileservice/types.js');
const { Limits } = await built('src/limits.js');
const { ALL_OPTIMIZATIONS } = await built('src/pbft/configuration.js');

const ROOT = { uid: 0, gid: 0, groups: [] };
const SESSION = { client: 0, instance: 1 };
const WRITTEN = [1, 16, 128, 1024, 8192];
const REPETITIONS = 15;
const PER_DIRECTORY = 1000;
const CALLS_PER_BATCH = 64;
const MIB = 1 << 20;
const CLIENT = { id: SESSION.client, name: 'mount', publicKey: Buffer.alloc(32, 9) };

/** A replica's state in a directory of its own, and calls on it. */
class State {
  constructor(scratch, name) {
    this.path = path.join(scratch, `${name}.db`);
    const cluster = {
      ...{ id: Buffer.alloc(32, 1), f: 1, replicas: [], clients: [CLIENT], rootUid: 0, rootGid: 0 },
      ...{ capacityBytes: 2 ** 40, capacityInodes: 10_000_000, createdSeconds: 1_700_000_000, durability: 'buffered' },
      ...{
        requestAuthentication: 'signature',
        recoveryPeriodSeconds: 0,
        encryption: 'auto',
        ownerSignatures: 0,
        optimizations: { ...ALL_OPTIMIZATIONS },
      },
    };
    this.state = createFileState({ path: this.path, cluster, durability: 'buffered' });
    this.calls = 0;
    this.longest = 0;
    this.sum = 0;
  }

  /** One call of many that are executed in one batch. */
  call(op, operands) {
    const { state } = this;
    if (this.calls === 0) state.beginBatch(state.lastExecuted + 1);
    const sequence = state.lastExecuted + 1;
    const time = { seconds: 1_700_000_001 + sequence, nanoseconds: this.calls };
    const { result } = state.service.execute(encodeOperation(ROOT, { op, ...operands }), {
      ...{ sequence, time, session: SESSION },
    });
    if (++this.calls === CALLS_PER_BATCH) this.endBatch();
    const decoded = decodeResult(op, result);
    if (decoded.errno !== 0) throw new Error(`${op}: errno ${decoded.errno}`);
    return decoded.attributes;
  }

  endBatch() {
    if (this.calls === 0) return;
    const { state } = this;
    state.endBatch({ seconds: 1_700_000_002 + state.lastExecuted, nanoseconds: 0 });
    const start = performance.now();
    state.commitBatch();
    this.settled(performance.now() - start);
    this.calls = 0;
    if ((state.lastExecuted + 1) % Limits.checkpointInterval === 0) this.checkpoint();
  }

  /** Time in which rows were handed on. */
  settled(ms) {
    this.longest = Math.max(this.longest, ms);
    this.sum += ms;
  }

  /** Takes one, and lets go of those before it, as once it is stable. Milliseconds of each part. */
  checkpoint() {
    this.endBatch();
    const start = performance.now();
    this.state.checkpoint();
    const taken = performance.now();
    this.settled(taken - start);
    this.state.commit();
    const committed = performance.now();
    this.state.releaseCheckpoints(this.state.lastExecuted);
    return { take: taken - start, commit: committed - taken, release: performance.now() - committed };
  }

  mkdir(name) {
    return handle(this.call('mkdir', { parent: ROOT_HANDLE, name: Buffer.from(name), mode: 0o755 }));
  }

  create(parent, name, data) {
    const flags = { mode: 0o644, exclusive: true, truncate: false, access: 0 };
    const node = handle(this.call('create', { parent, name: Buffer.from(name), ...flags }));
    this.write(node, 0, data);
    return node;
  }

  write(node, offset, data) {
    this.call('write', { node, offset, append: false, killPrivileges: false, data });
  }

  /** Creates so many files of so many bytes, none like another. */
  fill(files, bytes) {
    const nodes = [];
    let directory;
    for (let i = 0; i < files; i++) {
      if (i % PER_DIRECTORY === 0) directory = this.mkdir(`d${i / PER_DIRECTORY}`);
      nodes.push(this.create(directory, `f${i}`, incompressible(bytes, i)));
    }
    this.checkpoint();
    return nodes;
  }

  /** Closes it. Bytes on disk, and which of them SQLite counts to the partition tree. */
  size() {
    this.checkpoint();
    this.state.close();
    const db = new Database(this.path, { readonly: true });
    const of = (like) => db.prepare('SELECT SUM(pgsize) FROM dbstat WHERE name LIKE ?').pluck().get(like) ?? 0;
    const sizes = { bytes: fs.statSync(this.path).size, tree: of('tree_node%') + of('sqlite_autoindex_tree_node%') };
    db.close();
    return sizes;
  }
}

const handle = ({ ino, generation }) => ({ ino, generation });

function incompressible(bytes, seed) {
  const data = Buffer.alloc(bytes);
  let x = seed * 2_654_435_761 + 1;
  for (let i = 0; i + 4 <= bytes; i += 4) {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) | 0;
    data.writeInt32LE(x, i);
  }
  return data;
}

const percentile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];

function cost(state, nodes, written) {
  const pauses = [];
  const parts = { commit: 0, release: 0 };
  let settling = 0;
  let longest = 0;
  for (let repetition = -2; repetition < REPETITIONS; repetition++) {
    const data = incompressible(4096, repetition + written);
    state.longest = 0;
    state.sum = 0;
    for (let i = 0; i < written; i++)
      state.write(nodes[(i * 7919 + repetition * 104_729 + 300_000) % nodes.length], 0, data);
    const took = state.checkpoint();
    // The first two warm up.
    if (repetition < 0) continue;
    pauses.push(took.take);
    longest = Math.max(longest, state.longest);
    settling += state.sum / REPETITIONS;
    for (const part of Object.keys(parts)) parts[part] += took[part] / REPETITIONS;
  }
  pauses.sort((a, b) => a - b);
  return { median: percentile(pauses, 0.5), longest, settling, ...parts };
}

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'byzfs-checkpoints-'));
try {
  const files = Number(process.argv[2] ?? 50_000);
  const state = new State(scratch, 'cost');
  const nodes = state.fill(files, 4096);
  const ms = (time) => time.toFixed(2).padStart(10);
  console.log(`${files} files of 4 KiB; milliseconds`);
  console.log('written      rows checkpoint   longest   µs/row    commit   release');
  for (const written of WRITTEN.filter((each) => each <= files)) {
    const { median, longest, settling, commit, release } = cost(state, nodes, written);
    const rows = 2 * written;
    const perRow = ((settling * 1000) / rows).toFixed(1).padStart(9);
    const counts = `${String(written).padStart(7)}${String(rows).padStart(10)}`;
    console.log(`${counts} ${ms(median)}${ms(longest)}${perRow}${ms(commit)}${ms(release)}`);
  }
  state.state.close();
  console.log('\non disk              per file or MB      of it the tree');
  for (const [what, count, bytes] of [
    ['files of 100 B', files, 100],
    ['files of 4 KiB', files, 4096],
  ]) {
    const small = new State(scratch, what);
    small.fill(count, bytes);
    const sizes = small.size();
    const each = (size) => `${(size / count).toFixed(0)} B`.padStart(14);
    console.log(`${what.padEnd(20)}${each(sizes.bytes)}${each(sizes.tree)}`);
    fs.rmSync(small.path);
  }
  const large = new State(scratch, 'large');
  const megabytes = 256;
  const node = large.create(ROOT_HANDLE, 'large', Buffer.alloc(0));
  for (let at = 0; at < megabytes * MIB; at += MIB / 8) large.write(node, at, incompressible(MIB / 8, at));
  const sizes = large.size();
  const each = (size) => `${(size / megabytes / MIB).toFixed(4)} MB`.padStart(14);
  console.log(`${'MB of a large file'.padEnd(20)}${each(sizes.bytes)}${each(sizes.tree)}`);
} finally {
  fs.rmSync(scratch, { recursive: true, force: true });
}
