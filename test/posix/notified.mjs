// One worker of notifications.test.ts: notified.mjs ROLE DIRECTORY ROUNDS. Exits with 0 if all it did went well.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';

const [role, directory, count] = process.argv.slice(2);
const rounds = Number(count);
const FILES = 6;
const BYTES = 200_000;
const file = (i) => join(directory, `file-${i % FILES}`);
const buffer = Buffer.alloc(BYTES);
/** What another mount may do to a name at any moment. */
const unlessGone = (work) => {
  try {
    return work();
  } catch (error) {
    if (error.code !== 'ENOENT' && error.errno !== -116) throw error;
  }
};
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

const roles = {
  preparer() {
    fs.mkdirSync(join(directory, 'names'));
    for (let i = 0; i < FILES; i++) fs.writeFileSync(file(i), buffer);
  },
  /** Has all files open, asks for attributes and reads again. */
  reader() {
    const open = Array.from({ length: FILES }, (_, i) => fs.openSync(file(i), 'r'));
    for (let round = 0; round < rounds; round++) {
      for (const fd of open) {
        fs.fstatSync(fd);
        fs.readSync(fd, buffer, 0, BYTES, 0);
      }
      wait(20);
    }
  },
  writer() {
    for (let round = 0; round < rounds; round++) {
      const fd = fs.openSync(file(round), 'r+');
      fs.writeSync(fd, buffer.fill(round), 0, 50_000, (round * 10_000) % BYTES);
      if (round % 3 === 0) fs.fsyncSync(fd);
      if (round % 7 === 0) fs.ftruncateSync(fd, BYTES);
      fs.closeSync(fd);
      wait(10);
    }
  },
  renamer() {
    for (let round = 0; round < rounds; round++) {
      const path = join(directory, 'names', `${process.pid}-${round % 5}`);
      fs.writeFileSync(path, 'x');
      fs.renameSync(path, join(directory, 'names', `shared-${round % 3}`));
      unlessGone(() => fs.unlinkSync(join(directory, 'names', `shared-${(round + 1) % 3}`)));
    }
  },
  lister() {
    for (let round = 0; round < rounds; round++) {
      for (const name of fs.readdirSync(join(directory, 'names'))) {
        unlessGone(() => fs.statSync(join(directory, 'names', name)));
        unlessGone(() => fs.readFileSync(join(directory, 'names', name)));
      }
      wait(10);
    }
  },
  locker() {
    for (let round = 0; round < rounds / 5; round++) {
      execFileSync('flock', [file(round), 'dd', `if=${file(round)}`, 'of=/dev/null', 'bs=64k', 'status=none']);
    }
  },
  /** Dirty pages of a mapping are what is written when they are to be dropped. */
  mapper() {
    const script =
      'import mmap,os,sys\nf=os.open(sys.argv[1],os.O_RDWR)\nm=mmap.mmap(f,100000)\nm[0:100000]=b"m"*100000\nm.flush()\n';
    try {
      execFileSync('python3', ['-V'], { stdio: 'ignore' });
    } catch {
      return;
    }
    for (let round = 0; round < rounds / 10; round++) execFileSync('python3', ['-c', script, file(round)]);
  },
};

roles[role]();
