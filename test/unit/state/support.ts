import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach } from 'vitest';
import { createFileState, type FileState, type FileStateOptions, openFileState } from '../../../replica/state/index.js';
import type { Cluster } from '../../../src/cluster/types.js';
import { errnoName } from '../../../src/fileservice/errno.js';
import { encodeOperation, type Operation } from '../../../src/fileservice/operations.js';
import { decodeResult, type Results } from '../../../src/fileservice/results.js';
import { type Attributes, type Credentials, type Handle, ROOT_HANDLE } from '../../../src/fileservice/types.js';
import { ALL_OPTIMIZATIONS } from '../../../src/pbft/configuration.js';
import type { SessionId } from '../../../src/pbft/messages.js';

export const ROOT: Credentials = { uid: 0, gid: 0, groups: [] };
export const ALICE: Credentials = { uid: 1000, gid: 1000, groups: [1000, 50] };
export const BOB: Credentials = { uid: 1001, gid: 1001, groups: [] };
export const SESSION: SessionId = { client: 0, instance: 7 };

export const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

/** Of the clients in the cluster file. */
const NAMES = ['mount', 'other', 'admin', 'c3', 'c4', 'c5'];
export const ADMIN_SESSION: SessionId = { client: 2, instance: 1 };

export const cluster = (changed: Partial<Cluster> = {}): Cluster => ({
  id: Buffer.alloc(32, 0xc1),
  f: 1,
  replicas: [],
  clients: NAMES.map((name, id) => ({ id, name, publicKey: Buffer.alloc(32, 0x50 + id) })),
  capacityBytes: 1 << 30,
  capacityInodes: 100_000,
  rootUid: 0,
  rootGid: 0,
  createdSeconds: 1_700_000_000,
  durability: 'buffered',
  requestAuthentication: 'signature',
  recoveryPeriodSeconds: 0,
  encryption: 'auto',
  ownerSignatures: 0,
  optimizations: { ...ALL_OPTIMIZATIONS },
  ...changed,
});

/** What may be there of a state, by what follows its path. */
export const FILES = ['', '-wal', '-staging', '-staging-wal'];

/** States are closed hundreds of times, and flushed each time: where there is a file system in memory, it is used. */
const MEMORY = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();

const directories: string[] = [];

afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

export function options(
  changed: Partial<Cluster> = {},
  durability: 'buffered' | 'synced' = 'buffered',
): FileStateOptions {
  const directory = mkdtempSync(join(MEMORY, 'byzfs-state-'));
  directories.push(directory);
  return { path: join(directory, 'state.db'), cluster: cluster(changed), durability };
}

type Name = Operation['op'];
type Operand<N extends Name> = Omit<Extract<Operation, { op: N }>, 'op'>;

/** Executes one operation a batch, as the core would, with a clock that is a function of the sequence number. */
export class Driver {
  private readonly directory: string;

  constructor(
    public options: FileStateOptions,
    public state: FileState = createFileState(options),
  ) {
    this.directory = dirname(options.path);
  }

  static fresh(changed: Partial<Cluster> = {}): Driver {
    return new Driver(options(changed));
  }

  /** Time of the next call. */
  get nextTime(): { seconds: number; nanoseconds: number } {
    return { seconds: 1_700_000_001 + this.state.lastExecuted, nanoseconds: 5 };
  }

  /** Result bytes. */
  execute(operation: Uint8Array, session: SessionId = SESSION): Uint8Array {
    const time = this.nextTime;
    const sequence = this.state.lastExecuted + 1;
    this.state.beginBatch(sequence);
    const { result } = this.state.service.execute(operation, { sequence, time, session });
    this.state.endBatch(time);
    this.state.commitBatch();
    return result;
  }

  /** The result, which must not be a failure. */
  run<N extends Name>(op: N, o: Operand<N>, who = ROOT, session = SESSION): Results[N] {
    const result = decodeResult(op, this.execute(encodeOperation(who, { op, ...o } as Operation), session));
    if (result.errno !== 0) throw new Error(`${op}: ${errnoName(result.errno)}`);
    return result as Results[N];
  }

  /** 'ok' or the errno's name. */
  outcome<N extends Name>(op: N, o: Operand<N>, who = ROOT, session = SESSION): string {
    const result = decodeResult(op, this.execute(encodeOperation(who, { op, ...o } as Operation), session));
    return result.errno === 0 ? 'ok' : errnoName(result.errno);
  }

  query<N extends Name>(op: N, o: Operand<N>, who = ROOT, session = SESSION): Results[N] | { errno: number } {
    return decodeResult(op, this.state.service.query(encodeOperation(who, { op, ...o } as Operation), session));
  }

  create(name: string, mode = 0o644, who = ROOT, parent: Handle = ROOT_HANDLE): Attributes {
    const o = { parent, name: bytes(name), mode, exclusive: true, truncate: false, access: 0 };
    return this.run('create', o, who).attributes;
  }

  mkdir(name: string, mode = 0o755, who = ROOT, parent: Handle = ROOT_HANDLE): Attributes {
    return this.run('mkdir', { parent, name: bytes(name), mode }, who).attributes;
  }

  write(node: Handle, offset: number, data: Uint8Array, who = ROOT): Attributes {
    return this.run('write', { node, offset, append: false, killPrivileges: false, data }, who).attributes;
  }

  read(node: Handle, offset = 0, length = 1 << 20): Buffer {
    return Buffer.from(this.run('read', { node, offset, length }).data);
  }

  stat(node: Handle): Attributes {
    return this.run('getattr', { node }).attributes;
  }

  chmod(node: Handle, mode: number): void {
    this.run('setattr', { node, mode });
  }

  names(directory: Handle = ROOT_HANDLE): string[] {
    const { entries } = this.run('readdir', { directory, cookie: 2, maxBytes: 1 << 17 });
    return entries.map((entry) => Buffer.from(entry.name).toString('latin1'));
  }

  /** The process is killed, with what was not committed, and started again: the files as they are at this moment. */
  restart(): void {
    const { path } = this.options;
    const copy = join(mkdtempSync(join(this.directory, 'restart-')), 'state.db');
    for (const part of FILES) if (existsSync(path + part)) copyFileSync(path + part, copy + part);
    this.state.close();
    this.options = { ...this.options, path: copy };
    this.state = openFileState(this.options);
  }
}
