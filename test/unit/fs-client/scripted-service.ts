/** A service of regular files in one directory, whose answers the test decides on, and a mount of it without a kernel. */
import { pino } from 'pino';
import { type ProfileName, Profiles } from '../../../fs-client/cache/profile.js';
import { Files } from '../../../fs-client/files.js';
import { ReplicatedFileSystem } from '../../../fs-client/filesystem.js';
import type { Caller } from '../../../fs-client/kernel/kernel.js';
import { CallError, type CallOptions, type ServiceClient } from '../../../src/client/types.js';
import { Errno } from '../../../src/fileservice/errno.js';
import {
  decodeOperation,
  type Operation,
  type OperationName,
  type OperationOf,
} from '../../../src/fileservice/operations.js';
import { encodeFailure, encodeResult } from '../../../src/fileservice/results.js';
import { type Attributes, FileType, ROOT_HANDLE } from '../../../src/fileservice/types.js';

interface File {
  ino: number;
  content: Buffer;
  change: number;
}

/** Bytes that one ALLOCATE, SEEK or COPY comes by. */
const MOST_AT_ONCE = 1000;
const TIME = { seconds: 1, nanoseconds: 0 };
const STATISTICS = { blockSize: 4096, blocks: 10, freeBlocks: 5, files: 10, freeFiles: 5 };

/** What becomes of a call. `doubt`: reported as late, and executed only when the test settles it. */
type Fate = 'execute' | 'doubt' | 'hold' | 'refuse';

export class ScriptedService implements ServiceClient {
  /** As the service executed them. */
  readonly executed: Operation[] = [];
  readonly options: CallOptions[] = [];
  readonly files = new Map<string, File>();
  /** Without a name, and kept until it is known that nobody has them open. */
  readonly kept: File[] = [];
  directoryChange = 1;
  /** Asked for each call; by default all are executed. */
  fate: (operation: Operation) => Fate = () => 'execute';
  private readonly held: { operation: Operation; finish: (result: Uint8Array | CallError) => void }[] = [];
  private readonly listeners: (() => void)[] = [];
  private nextIno = 2;
  /** Where the data of every file begins; undefined: there are no holes. */
  data: number | undefined;
  readonly renewals: OperationOf<'renew'>[] = [];
  /** What the next renewal is answered with. */
  lapsed = true;
  unclaimed: number[] = [];

  call(bytes: Uint8Array, options: CallOptions = {}): Promise<Uint8Array> {
    const { operation } = decodeOperation(bytes);
    if (operation.op === 'renew') return this.renew(operation);
    this.options.push(options);
    const fate = this.fate(operation);
    if (fate === 'execute') return Promise.resolve(this.execute(operation));
    if (fate === 'refuse') return Promise.reject(new CallError('deadline', 'never sent'));
    return new Promise((resolve, reject) => {
      if (fate === 'hold') {
        const finish = (result: Uint8Array | CallError) =>
          result instanceof CallError ? reject(result) : resolve(result);
        this.held.push({ operation, finish });
        return;
      }
      const settled = new Promise<void>((settle) => this.held.push({ operation, finish: () => settle() }));
      reject(new CallError('deadline', 'no quorum', settled));
    });
  }

  /** Apart from all others: it is no call of the test. */
  private renew(operation: OperationOf<'renew'>): Promise<Uint8Array> {
    this.renewals.push(operation);
    const { lapsed, unclaimed } = this;
    this.lapsed = false;
    this.unclaimed = [];
    return Promise.resolve(encodeResult('renew', { errno: 0, lapsed, unclaimed }));
  }

  onSessionLost(listener: () => void): void {
    this.listeners.push(listener);
  }

  async close(): Promise<void> {}

  /** Executes what was held or in doubt, in that order, and answers it. */
  async settle(): Promise<void> {
    for (const { operation, finish } of this.held.splice(0)) finish(this.execute(operation));
    await turns();
  }

  /** What was held or in doubt will never be executed. */
  async loseSession(): Promise<void> {
    for (const listener of this.listeners) listener();
    for (const { finish } of this.held.splice(0)) finish(new CallError('session-lost', 'the session is gone'));
    await turns();
  }

  executedOf(...names: OperationName[]): Operation[] {
    return this.executed.filter(({ op }) => names.includes(op));
  }

  private execute(operation: Operation): Uint8Array {
    this.executed.push(operation);
    switch (operation.op) {
      case 'create': {
        const name = Buffer.from(operation.name).toString();
        const existing = this.files.get(name);
        const file = existing ?? { ino: this.nextIno++, content: Buffer.alloc(0), change: 1 };
        this.files.set(name, file);
        if (existing === undefined) this.directoryChange++;
        const created = existing === undefined;
        return encodeResult('create', {
          errno: 0,
          attributes: fileAttributes(file),
          parent: this.directory(),
          created,
        });
      }
      case 'lookup': {
        const file = this.files.get(Buffer.from(operation.name).toString());
        if (file === undefined) return encodeFailure(Errno.ENOENT);
        return encodeResult('lookup', { errno: 0, attributes: fileAttributes(file), parent: this.directory() });
      }
      case 'write': {
        const file = this.file(operation.node.ino);
        const offset = operation.append ? file.content.length : operation.offset;
        const content = Buffer.alloc(Math.max(file.content.length, offset + operation.data.length));
        file.content.copy(content);
        content.set(operation.data, offset);
        return encodeResult('write', { errno: 0, attributes: changed(file, content) });
      }
      case 'setattr': {
        const file = this.file(operation.node.ino);
        const content = Buffer.alloc(operation.size ?? file.content.length);
        file.content.copy(content);
        return encodeResult('setattr', { errno: 0, attributes: changed(file, content) });
      }
      case 'allocate':
      case 'copy': {
        const file = this.file(operation.node.ino);
        const length = Math.min(operation.length, MOST_AT_ONCE);
        return encodeResult(operation.op, { errno: 0, attributes: changed(file, file.content), length });
      }
      case 'seek': {
        const { node, offset, what } = operation;
        const { attributes, found } = {
          attributes: this.attributesOf(node.ino)!,
          found: Math.max(offset, this.data ?? 0),
        };
        if (what === 'hole' && offset < found)
          return encodeResult('seek', { errno: 0, attributes, offset, complete: true });
        const complete = found - offset <= MOST_AT_ONCE;
        return encodeResult('seek', {
          errno: 0,
          attributes,
          offset: complete ? found : offset + MOST_AT_ONCE,
          complete,
        });
      }
      case 'getattr':
      case 'open':
      case 'fsync': {
        if (
          'name' in operation &&
          this.files.get(Buffer.from(operation.name!).toString())?.ino !== operation.node.ino
        ) {
          return encodeFailure(Errno.ESTALE);
        }
        const attributes = this.attributesOf(operation.node.ino);
        return attributes ? encodeResult(operation.op, { errno: 0, attributes }) : encodeFailure(Errno.ESTALE);
      }
      case 'unlink': {
        const name = Buffer.from(operation.name).toString();
        const file = this.files.get(name);
        if (file === undefined) return encodeFailure(Errno.ENOENT);
        this.files.delete(name);
        this.directoryChange++;
        return encodeResult('unlink', {
          errno: 0,
          node: { ...fileAttributes(file), nlink: 0 },
          parent: this.directory(),
        });
      }
      case 'lock': {
        const attributes = this.attributesOf(operation.node.ino);
        return attributes ? encodeResult('lock', { errno: 0, attributes }) : encodeFailure(Errno.ESTALE);
      }
      case 'release':
        return encodeResult('release', { errno: 0 });
      case 'statfs':
        return encodeResult('statfs', { errno: 0, statistics: STATISTICS });
      default:
        return encodeFailure(Errno.ENOSYS);
    }
  }

  private file(ino: number): File {
    return [...this.files.values()].find((file) => file.ino === ino)!;
  }

  private attributesOf(ino: number): Attributes | undefined {
    if (ino === ROOT_HANDLE.ino) return this.directory();
    const file = [...this.files.values(), ...this.kept].find((each) => each.ino === ino);
    return file && fileAttributes(file);
  }

  private directory(): Attributes {
    return attributesOf(ROOT_HANDLE.ino, FileType.DIRECTORY | 0o755, 0, this.directoryChange);
  }
}

function attributesOf(ino: number, mode: number, size: number, change: number): Attributes {
  const times = { atime: TIME, mtime: TIME, ctime: TIME };
  const unowned = { uid: 0, gid: 0, rdev: 0, blocks: 0, hasXattrs: false };
  return { ino, generation: 1, mode, nlink: 1, size, change, ...unowned, ...times };
}

const fileAttributes = ({ ino, content, change }: File): Attributes =>
  attributesOf(ino, FileType.REGULAR | 0o644, content.length, change);

function changed(file: File, content: Buffer): Attributes {
  file.content = content;
  file.change++;
  return fileAttributes(file);
}

/** Lets every promise that can go on do so. */
export async function turns(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

export const ROOT: Caller = { uid: 0, gid: 0, pid: 1 };
export const RDWR = 2;
export const DEADLINE_MS = 30_000;

export class ScriptedMount {
  readonly service = new ScriptedService();
  /** Lines of the log, warnings and errors. */
  readonly logged: { msg: string; [field: string]: unknown }[] = [];
  /** Inodes whose pages the kernel was told to drop. */
  readonly invalidated: number[] = [];
  /** Inodes whose written pages the kernel was told to send. */
  readonly laundered: number[] = [];
  /** Times that it was told to drop all names. */
  epochs = 0;
  readonly fs: ReplicatedFileSystem;

  constructor(profile: ProfileName, deadlineMs = DEADLINE_MS) {
    const log = pino({ level: 'warn' }, { write: (line: string) => this.logged.push(JSON.parse(line)) });
    this.fs = new ReplicatedFileSystem(new Files(this.service, deadlineMs, log), Profiles[profile], log);
    this.service.onSessionLost(() => this.fs.sessionLost());
    this.fs.attached({
      invalidateAttributes: async () => {},
      invalidateData: async (ino) => void this.invalidated.push(ino),
      launderData: async (ino) => void this.laundered.push(ino),
      invalidateEntry: () => {},
      invalidateEntries: () => {
        this.epochs++;
        return true;
      },
    });
  }

  /** Makes an empty file in the root directory and opens it. */
  async create(name: string): Promise<{ fh: number; ino: number }> {
    const made = await this.fs.create(ROOT, ROOT_HANDLE.ino, name, 0o644, RDWR);
    if (!('open' in made)) throw new Error(`create: errno ${made.errno}`);
    return { fh: made.open.fh, ino: made.attributes.ino };
  }

  async open(ino: number): Promise<number> {
    const opened = await this.fs.open(ROOT, ino, RDWR);
    if (!('fh' in opened)) throw new Error(`open: errno ${opened.errno}`);
    return opened.fh;
  }

  write(fh: number, offset: number, text: string, append = false) {
    return this.fs.write(fh, offset, Buffer.from(text), { append, synchronous: false, killPrivileges: false });
  }

  content(name: string): string {
    return this.service.files.get(name)!.content.toString();
  }
}

/** What a promise has come to after all that can go on has: undefined while it waits. */
export async function outcomeOf<T>(promise: T | Promise<T>): Promise<T | undefined> {
  let outcome: T | undefined;
  void Promise.resolve(promise).then((value) => {
    outcome = value;
  });
  await turns();
  return outcome;
}
