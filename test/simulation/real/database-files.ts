/** The files of a SQLite database, and what a kill and a loss of power leave of them. */
import fs from 'node:fs';
import type { Random } from '../random.js';

const PARTS = ['', '-wal', '-staging', '-staging-wal'];

export class DatabaseFiles {
  /** The write-ahead log as it is on stable storage, with the database that goes with it: as of the last copying. */
  private flushedLog: Buffer = Buffer.alloc(0);

  /** @param path of the .db file */
  constructor(readonly path: string) {}

  /** As they are now: what SQLite has handed to the operating system. */
  private read(): Map<string, Buffer> {
    const files = new Map<string, Buffer>();
    for (const part of PARTS) {
      const file = this.path + part;
      if (fs.existsSync(file)) files.set(file, fs.readFileSync(file));
    }
    return files;
  }

  /** The process that has them open dies: `close` lets go of them, whatever it does to them. */
  kill(close: () => void): void {
    const left = this.read();
    try {
      close();
    } catch {
      // It may have died in the middle of anything.
    }
    this.write(left);
  }

  private write(files: ReadonlyMap<string, Buffer>): void {
    this.remove();
    for (const [file, content] of files) fs.writeFileSync(file, content);
  }

  /** @returns what makes them again what they are now, flushed */
  backUp(): () => void {
    const files = this.read();
    return () => {
      this.write(files);
      this.flushedLog = this.log;
    };
  }

  /** The log was copied to the database and both were flushed (`PRAGMA wal_checkpoint`). */
  noteFlushed(): void {
    this.flushedLog = this.log;
  }

  private get log(): Buffer {
    const file = `${this.path}-wal`;
    return fs.existsSync(file) ? fs.readFileSync(file) : Buffer.alloc(0);
  }

  /**
   * The log is written in order, from its beginning again once all of it was copied, and flushed only then: of what was
   * written since, some of the first bytes have reached the disk. The database is written only when the log is copied.
   * So too what a transfer had gathered, where it is kept.
   */
  losePower(random: Random): void {
    this.flushedLog = tornBetween(this.flushedLog, this.log, random);
    fs.writeFileSync(`${this.path}-wal`, this.flushedLog);
    cut(`${this.path}-staging-wal`, random);
  }

  remove(): void {
    for (const part of [...PARTS, '-shm', '-journal', '-staging-shm', '-staging-journal']) {
      fs.rmSync(this.path + part, { force: true });
    }
  }
}

/** What is on the disk of a file that was `before` when it was flushed and `after` when the power went. */
function tornBetween(before: Buffer, after: Buffer, random: Random): Buffer {
  let same = 0;
  while (same < before.length && before[same] === after[same]) same++;
  const written = same + random.below(after.length - same + 1);
  return Buffer.concat([after.subarray(0, written), before.subarray(written)]);
}

function cut(file: string, random: Random): void {
  if (!fs.existsSync(file)) return;
  fs.truncateSync(file, random.below(fs.statSync(file).size + 1));
}
