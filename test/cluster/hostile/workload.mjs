// What goes on on two mounts of one cluster while it is attacked: files written on one, and read on the other.
import { createCipheriv } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

const FILES = 40;
const MOST_BYTES = 200_000;

/** Bytes that are known from a number. */
function bytesOf(number, length) {
  const key = Buffer.alloc(16);
  key.writeDoubleBE(number);
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length));
}

function summary(times) {
  times.sort((a, b) => a - b);
  const at = (share) => times[Math.min(times.length - 1, Math.floor(share * times.length))] ?? 0;
  return { calls: times.length, p50: at(0.5), p99: at(0.99), most: times.at(-1) ?? 0 };
}

/**
 * Prints a summary as JSON; throws where a call fails or a byte is wrong.
 * @param attackMs when the attack begins, @param overMs is over, @param endMs and this is: milliseconds from now
 */
export async function work(written, read, seed, attackMs, overMs, endMs) {
  const start = performance.now();
  const latencies = { before: {}, during: {}, after: {} };
  /** Path to content. */
  const files = new Map();
  let number = seed * 1_000_000;
  const timed = (kind, action) => {
    const from = performance.now();
    const result = action();
    const now = performance.now();
    const phase = from - start < attackMs ? 'before' : from - start < overMs ? 'during' : 'after';
    latencies[phase][kind] ??= [];
    latencies[phase][kind].push(now - from);
    return result;
  };
  const compare = (name) => {
    const found = timed('read', () => fs.readFileSync(path.join(read, name)));
    if (!found.equals(files.get(name))) throw new Error(`${name} is not as it was written`);
  };
  const use = (name, flags, action) => {
    const fd = fs.openSync(path.join(written, name), flags, 0o644);
    try {
      action(fd);
    } finally {
      fs.closeSync(fd);
    }
  };
  let made = 0;
  while (performance.now() - start < endMs) {
    number++;
    const name = `f${number}`;
    const data = bytesOf(number, 1 + ((number * 7919) % MOST_BYTES));
    timed('write', () => use(name, 'wx', (fd) => fs.writeSync(fd, data)));
    files.set(name, data);
    made++;
    compare(name);
    const [oldest] = files.keys();
    if (number % 3 === 0) {
      // Part of an older file anew, on stable storage when that returns.
      const content = files.get(oldest);
      const part = bytesOf(number + 0.5, 1 + (content.length >> 1));
      timed('fsync', () =>
        use(oldest, 'r+', (fd) => {
          fs.writeSync(fd, part, 0, part.length, content.length >> 2);
          fs.fsyncSync(fd);
        }),
      );
      const end = (content.length >> 2) + part.length;
      const longer = Buffer.alloc(Math.max(content.length, end));
      content.copy(longer);
      part.copy(longer, content.length >> 2);
      files.set(oldest, longer);
      compare(oldest);
    }
    if (files.size > FILES) {
      compare(oldest);
      timed('rename', () => fs.renameSync(path.join(written, oldest), path.join(written, 'gone')));
      timed('unlink', () => fs.unlinkSync(path.join(written, 'gone')));
      files.delete(oldest);
    }
  }
  for (const name of files.keys()) compare(name);
  for (const kinds of Object.values(latencies))
    for (const kind of Object.keys(kinds)) kinds[kind] = summary(kinds[kind]);
  process.stdout.write(`${JSON.stringify({ files: made, latencies })}\n`);
}
