/** Real state and real journal of each replica of a world, on files that go with it. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Cluster } from '../../../src/cluster/types.js';
import { ALL_OPTIMIZATIONS } from '../../../src/pbft/configuration.js';
import { Random } from '../random.js';
import type { ReplicaHost } from '../replica-host.js';
import type { Storage, Write } from '../storage.js';
import { JournalDisk } from './journal-disk.js';
import { SqliteState } from './sqlite-state.js';
import { CLUSTER_ID, signables } from './wire.js';

/** They are flushed thousands of times: where there is a file system in memory, it is used. */
const MEMORY = fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir();

export interface RealStorageOptions {
  seed: number;
  f: number;
  n: number;
  synced: boolean;
  /** Called before and after each write; what it throws is the death of the process. */
  onWrite?: (host: ReplicaHost, what: Write) => void;
}

/** More than any world has. */
const CLIENTS = 16;

export class RealStorage {
  private readonly directory = fs.mkdtempSync(path.join(MEMORY, 'byzfs-simulation-'));
  private readonly kept: { state: SqliteState; disk: JournalDisk }[] = [];
  private readonly cluster: Cluster;

  constructor(private readonly options: RealStorageOptions) {
    this.cluster = {
      id: CLUSTER_ID,
      f: options.f,
      replicas: [],
      clients: Array.from({ length: CLIENTS }, (_, id) => ({ id, name: `c${id}`, publicKey: Buffer.alloc(32, id) })),
      capacityBytes: 1 << 30,
      capacityInodes: 1000,
      rootUid: 0,
      rootGid: 0,
      createdSeconds: 0,
      durability: options.synced ? 'synced' : 'buffered',
      requestAuthentication: 'signature',
      recoveryPeriodSeconds: 0,
      encryption: 'auto',
      ownerSignatures: 0,
      optimizations: ALL_OPTIMIZATIONS,
    };
  }

  storageOf(host: ReplicaHost): Storage {
    const { seed, n, synced } = this.options;
    const { address, id } = host;
    const directory = path.join(this.directory, String(address));
    fs.mkdirSync(directory);
    // Not the world's: what a disk makes of a fault changes nothing else.
    const random = new Random(seed * 1_000_003 + address);
    const onWrite = (what: Write): void => this.options.onWrite?.(host, what);
    const disk = new JournalDisk({
      directory: path.join(directory, 'journal'),
      owner: { clusterId: CLUSTER_ID, replica: id },
      decoding: { n, signables },
      synced,
      random,
      onWrite,
    });
    const state = new SqliteState({
      path: path.join(directory, 'state.db'),
      cluster: this.cluster,
      durability: this.cluster.durability,
      random,
      lastRecorded: () => disk.lastSequence,
      onWrite,
    });
    this.kept.push({ state, disk });
    return { state, disk };
  }

  close(): void {
    for (const { state, disk } of this.kept) {
      state.close();
      disk.close();
    }
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}
