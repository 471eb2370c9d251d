// One of several processes that share a directory through different mounts: does so many random operations and prints what
// each was and came to, with the time of its call and of its return: [kind, key, value, called, returned], in milliseconds
// of a clock that all processes of the machine share. node worker.mjs ROOT NAME SEED OPERATIONS; without a name it makes
// what the others begin with.
import fs from 'node:fs';
import path from 'node:path';
import { contentOf, FIRST, LOCKS, valueIn } from './content.mjs';

const [root, writer, seed, operations] = process.argv.slice(2);

/** mulberry32 */
let state = Number(seed);
function pick(below) {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = state;
  t = Math.imul(t ^ (t >>> 15), t | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) % below;
}

const pickKey = (prefix) => {
  const keys = Object.keys(FIRST).filter((key) => key.startsWith(prefix));
  return keys[pick(keys.length)];
};
const clock = () => Number(process.hrtime.bigint()) / 1e6;
const at = (...names) => path.join(root, ...names);
const history = [];
let made = 0;
/** Names this process has made in `names/`, and the one that it holds in `locks/`. */
const own = [];
let held;

const ESTALE = -116;

/** Opening a name that another mount replaces twice meanwhile is answered ESTALE (docs/POSIX.md). */
function again(action) {
  for (let tries = 1; ; tries++) {
    try {
      return action();
    } catch (error) {
      if (error.errno !== ESTALE || error.syscall !== 'open' || tries === 5) throw error;
    }
  }
}

/** Records what `action` returns as the value, or what it throws as an error's code. */
function record(kind, key, action) {
  const called = clock();
  let value;
  try {
    value = again(action);
  } catch (error) {
    value = error.code ?? String(error);
  }
  history.push([kind, key, value, called, clock()]);
  return value;
}

function withFile(file, flags, use) {
  const fd = fs.openSync(file, flags);
  try {
    return use(fd);
  } finally {
    fs.closeSync(fd);
  }
}

const unique = () => `${writer}.${made++}`;

/** Overwrites a small file in place: one write. */
function write() {
  const key = pickKey('cell');
  const value = unique();
  record('write', key, () => withFile(at(key), 'r+', (fd) => fs.writeSync(fd, contentOf(key, value), 0)) && value);
}

/** Puts another file in the place of a large one. */
function replace() {
  const key = pickKey('page');
  const value = unique();
  record('write', key, () => {
    fs.writeFileSync(at(value), contentOf(key, value));
    fs.renameSync(at(value), at(key));
    return value;
  });
}

function read() {
  const key = pickKey('');
  record('read', key, () => valueIn(key, fs.readFileSync(at(key), 'latin1')));
}

function append() {
  const value = unique();
  record('append', 'log', () => withFile(at('log'), 'a', (fd) => fs.writeSync(fd, `${value}\n`)) && value);
}

/** A name is a lock: whoever makes it has it, until it is removed. */
function lock() {
  if (held !== undefined) {
    record('release', held, () => fs.unlinkSync(at('locks', held)) ?? 'gone');
    held = undefined;
    return;
  }
  const key = `lock-${pick(LOCKS)}`;
  if (record('take', key, () => withFile(at('locks', key), 'wx', () => 'taken')) === 'taken') held = key;
}

function add() {
  const value = unique();
  record('add', value, () => withFile(at('names', value), 'wx', () => 'added'));
  own.push(value);
}

function remove() {
  if (own.length === 0) return add();
  const [value] = own.splice(pick(own.length), 1);
  record('remove', value, () => fs.unlinkSync(at('names', value)) ?? 'gone');
}

const list = () => record('list', 'names', () => fs.readdirSync(at('names')));
const size = () => record('size', 'log', () => fs.statSync(at('log')).size);

function begin() {
  for (const directory of ['locks', 'names']) fs.mkdirSync(at(directory));
  fs.writeFileSync(at('log'), '');
  for (const [key, value] of Object.entries(FIRST)) fs.writeFileSync(at(key), contentOf(key, value));
}

const mix = [write, write, write, replace, read, read, read, read, append, lock, lock, add, remove, size];
if (writer === undefined) begin();
for (let i = 0; i < Number(operations ?? 0); i++) (i % 50 === 49 ? list : mix[pick(mix.length)])();
if (held !== undefined) lock();
process.stdout.write(JSON.stringify(history));
