/** Five hosts: four owners with a replica each, and one where clients mount. Each has a directory and keys of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CLI, must, type ReplicaStatus, run, until } from '../harness.js';
import { Network, on } from './network.js';

/** Replicas are numbered by these names. The first also administers. */
export const OWNERS = ['anna', 'bert', 'carl', 'dora'];
const ADMINISTRATOR = OWNERS[0];
export const GUEST = 'erik';
const PORT = '7100';
const READY_MS = 240_000;

interface Status {
  quorum: boolean;
  view: number;
  replicas: ReplicaStatus[];
}

const isReady = ({ quorum, replicas }: Status): boolean =>
  quorum &&
  replicas.every(({ up, state }) => up && state === 'normal') &&
  new Set(replicas.map(({ stableCheckpoint, stateRoot }) => `${stableCheckpoint} ${stateRoot}`)).size === 1;

export class Hosts {
  readonly scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'byzfs-hosts-'));
  readonly network: Network;
  private readonly replicas: ChildProcess[] = [];

  constructor(netem: boolean) {
    this.network = new Network([...OWNERS, GUEST], netem, this.scratch);
  }

  directoryOf(host: string): string {
    return path.join(this.scratch, host);
  }

  mountpointOf(client: string): string {
    return path.join(this.scratch, 'mounts', client);
  }

  /** @throws if it fails */
  byzfs(host: string, ...args: string[]): Promise<string> {
    return must(...on(host, process.execPath, CLI, ...args));
  }

  /** The cluster file, by the cards of all owners; @returns the digests that they see. */
  async agree(): Promise<string[]> {
    const cards = OWNERS.map(async (owner) => {
      const address = ['--host', this.network.addressOf(owner), '--port', PORT];
      await this.byzfs(owner, 'init', this.directoryOf(owner), '--card', owner, ...address);
      return path.join(this.directoryOf(owner), `${owner}.card`);
    });
    const files = await Promise.all(cards);
    const administrator = this.directoryOf(ADMINISTRATOR);
    await this.byzfs(ADMINISTRATOR, 'init', administrator, '--client-card', 'admin');
    files.push(path.join(administrator, 'admin.card'));
    const made = OWNERS.map((owner) => this.byzfs(owner, 'init', this.directoryOf(owner), '--cards', ...files));
    return (await Promise.all(made)).map((text) => /cluster ([0-9a-f]{64})\n/.exec(text)![1]);
  }

  startReplica(id: number, ...more: string[]): void {
    const log = fs.openSync(path.join(this.scratch, `replica-${id}.log`), 'a');
    const args = ['replica', '--cluster', this.directoryOf(OWNERS[id]), '--id', String(id), ...more];
    const [command, all] = on(OWNERS[id], process.execPath, CLI, ...args);
    // nsenter becomes what it starts.
    this.replicas[id] = spawn(command, all, { stdio: ['ignore', log, log] });
    fs.closeSync(log);
  }

  async killReplica(id: number): Promise<void> {
    const child = this.replicas[id];
    child.kill('SIGKILL');
    await until(`replica ${id} has ended`, () => child.signalCode !== null);
  }

  /** Waits until all replicas are in normal operation and have come to the same checkpoint, with the same root. */
  async ready(): Promise<Status> {
    const asked = ['status', this.directoryOf(ADMINISTRATOR), '--json'];
    let said = '';
    for (const end = Date.now() + READY_MS; Date.now() < end; ) {
      const { stdout, stderr } = await run(...on(ADMINISTRATOR, process.execPath, CLI, ...asked));
      said = stdout || stderr;
      if (stdout !== '' && isReady(JSON.parse(stdout))) return JSON.parse(stdout);
      await delay(200);
    }
    throw new Error(`the replicas are not in normal operation, or differ: ${said}`);
  }

  makeClientCard(name: string): Promise<string> {
    return this.byzfs(GUEST, 'init', this.directoryOf(GUEST), '--client-card', name);
  }

  /** Registers a client by the card that it made on its host. */
  async addClient(name: string): Promise<void> {
    const [here, there] = [this.directoryOf(GUEST), this.directoryOf(ADMINISTRATOR)];
    await this.byzfs(ADMINISTRATOR, 'client', 'add', there, name, '--key', path.join(here, `${name}.card`));
    fs.copyFileSync(path.join(there, 'clients', `${name}.json`), path.join(here, 'clients', `${name}.json`));
  }

  async mount(client: string): Promise<void> {
    const [here, mountpoint] = [this.directoryOf(GUEST), this.mountpointOf(client)];
    fs.mkdirSync(mountpoint, { recursive: true });
    // Hard: a call waits for a quorum, however long it takes to come back.
    await this.byzfs(GUEST, 'mount', here, mountpoint, '--client', client, '-o', 'hard');
  }

  destroy(): Promise<void> {
    return this.network.destroy();
  }
}
