import { randomInt } from 'node:crypto';
import type { Logger } from 'pino';
import type { Cluster, Identity } from '../src/cluster/types.js';
import { ReplicaAuthentication } from '../src/crypto/authentication.js';
import type { MacKey } from '../src/crypto/macs.js';
import { ReplicaEndpoint } from '../src/net/endpoint.js';
import type { Link, LinkHandler } from '../src/net/link.js';
import { Configuration } from '../src/pbft/configuration.js';
import { sessionKey } from '../src/pbft/digests.js';
import type { ClientMessage, Message, ReplicaMessage, Reply, SessionId } from '../src/pbft/messages.js';
import type { JournalRecord } from '../src/pbft/ports.js';
import type { Outgoing, Ready } from '../src/pbft/ready.js';
import { Replica } from '../src/pbft/replica.js';
import { SteadyClock, wallClock } from '../src/steady-clock.js';
import { encodeMessage } from '../src/wire/codec.js';
import { recreateReplica } from './create.js';
import { mayHaveLostPower, noteRunning, noteStopped } from './journal/boot.js';
import { Journal } from './journal/journal.js';
import { replicaFiles } from './layout.js';
import { type FileState, openFileState } from './state/index.js';

export interface ReplicaServerOptions {
  cluster: Cluster;
  identity: Identity;
  /** The replica's own directory, made by `createReplica`. */
  directory: string;
  log: Logger;
  /** It lost its disk, or part of it: it makes what is missing, and says nothing until it is up to date (DESIGN 3.12). */
  rejoin?: boolean;
  /**
   * More than f replicas may have forgotten votes at once: nobody is left who could tell them. It goes on from its journal,
   * which has all that was fsynced, and perhaps not the rest.
   */
  resume?: boolean;
}

const TICK_MS = 20;
const LIVES = 2 ** 48 - 1;
/** The state's transaction is committed this often; what a killed process had not committed, its journal has. */
const COMMIT_MS = 250;
/** Batches proposed and not yet executed. */
const BATCH_WINDOW = 4;

/**
 * One replica process: the shell around the state machine in src/pbft. Each turn of the event loop takes in all that
 * arrived, then does what came out, in the order `Ready` demands.
 */
export class ReplicaServer implements LinkHandler {
  private readonly state: FileState;
  private readonly journal: Journal;
  private readonly replica: Replica;
  private readonly clock = new SteadyClock();
  /** Where replies to a client process go. */
  private readonly sessions = new Map<string, Link>();
  private readonly attached = new Map<Link, string>();
  private notes: JournalRecord[] = [];
  /** In `synced` mode: the flush that covers all that was persisted so far. */
  private flushed: Promise<void> | undefined;
  private turnScheduled = false;
  private stopped = false;
  private readonly endpoint: ReplicaEndpoint;
  private readonly timers: NodeJS.Timeout[] = [];
  private fail!: (error: Error) => void;
  /** Resolves when this replica cannot go on: a local failure stops it, and never becomes a reply. */
  readonly failed = new Promise<Error>((resolve) => {
    this.fail = resolve;
  });

  constructor(private readonly options: ReplicaServerOptions) {
    const { cluster, identity, directory, log } = options;
    const files = replicaFiles(directory);
    const synced = cluster.durability === 'synced';
    if (options.rejoin) recreateReplica({ cluster, id: identity.id, directory });
    const lostPower = !synced && mayHaveLostPower(files.journal);
    const authentication = new ReplicaAuthentication({
      cluster,
      identity,
      authenticatorKeys: (session) => this.authenticatorKeys(session),
    });
    const decoding = { n: cluster.replicas.length, signables: authentication.signables };
    this.state = openFileState({ path: files.state, cluster, durability: cluster.durability });
    this.journal = new Journal({
      directory: files.journal,
      owner: { clusterId: cluster.id, replica: identity.id },
      decoding,
      synced,
      lostPower: lostPower || options.rejoin,
    });
    if (this.journal.droppedBytes > 0) {
      log.warn({ bytes: this.journal.droppedBytes }, 'dropped a record that a crash had cut short');
    }
    const recovered = this.journal.recover(Math.min(this.journal.lastStable, this.state.lastExecuted));
    this.markForgotten(recovered, lostPower);
    // Only now: a start that is cut short must not make the next one believe that nothing was forgotten.
    noteRunning(files.journal);
    // Nor is what a killed process wrote on the disk yet, and what is said may rest on it.
    if (synced) this.flushed = this.journal.sync();
    this.replica = new Replica({
      configuration: new Configuration(cluster.f, identity.id),
      authentication,
      state: this.state,
      history: this.journal,
      recovered,
      synced,
      life: randomInt(LIVES),
      batchWindow: BATCH_WINDOW,
    });
    this.endpoint = new ReplicaEndpoint({ cluster, identity, handler: this });
    log.info({ records: recovered.length, lastExecuted: this.state.lastExecuted }, 'restored');
  }

  /** Puts on record whether this replica has to keep silent, before it says anything. */
  private markForgotten(recovered: JournalRecord[], lostPower: boolean): void {
    const { cluster, log, rejoin, resume } = this.options;
    const last = recovered.findLast(({ kind }) => kind === 'recovering' || kind === 'recovered');
    // A single replica contradicts nobody.
    const isAlone = cluster.f === 0;
    let mark: JournalRecord | undefined;
    if ((resume || isAlone) && (lostPower || last?.kind === 'recovering')) {
      mark = { kind: 'recovered', votesFrom: 0 };
      log.warn('power was lost: this replica goes on from its disk; what was not fsynced may be lost');
    } else if ((lostPower || rejoin) && !isAlone) {
      mark = { kind: 'recovering' };
      log.warn({ lostPower }, 'votes may be forgotten: this replica says nothing until it is up to date');
    }
    if (mark === undefined) return;
    this.journal.append([mark]);
    recovered.push(mark);
  }

  /** Opens the port and starts the clock. */
  async listen(): Promise<void> {
    // The first message may come before the first tick: it must not be judged by a clock that stands at zero.
    this.replica.advanceClock(this.clock.advance(), wallClock());
    await this.endpoint.start();
    this.timers.push(setInterval(() => this.guard(() => this.tick()), TICK_MS));
    this.timers.push(setInterval(() => this.guard(() => this.commit()), COMMIT_MS));
  }

  private authenticatorKeys(session: SessionId): readonly MacKey[] {
    return this.sessions.get(sessionKey(session))?.authenticatorKeys ?? [];
  }

  onUp(link: Link): void {
    const { role, id } = link.peer;
    this.options.log.info({ role, id }, 'link is up');
    if (role !== 'replica') return;
    this.guard(() => this.replica.linkUp(id));
    this.scheduleTurn();
  }

  onDown(link: Link, reason: string): void {
    const { role, id } = link.peer;
    if (!this.stopped) this.options.log.info({ role, id, reason }, 'link is down');
    this.detach(link);
  }

  private detach(link: Link): void {
    const key = this.attached.get(link);
    this.attached.delete(link);
    if (key !== undefined && this.sessions.get(key) === link) this.sessions.delete(key);
  }

  onRefused(address: string, reason: string): void {
    this.options.log.debug({ address, reason }, 'no link');
  }

  onMessage(link: Link, message: Message): void {
    if (this.stopped) return;
    this.guard(() => {
      if (link.peer.role === 'replica') this.replica.receive(message as ReplicaMessage, link.peer.id);
      else this.onClientMessage(link, message as ClientMessage);
    });
    this.scheduleTurn();
  }

  private onClientMessage(link: Link, message: ClientMessage): void {
    switch (message.kind) {
      case 'request':
        return this.replica.receiveFromClient(message, link.peer.id);
      case 'attach': {
        this.detach(link);
        const key = sessionKey({ client: link.peer.id, instance: message.instance });
        this.attached.set(link, key);
        this.sessions.set(key, link);
        return;
      }
      case 'inspect':
        link.send(encodeMessage({ kind: 'inspection', json: JSON.stringify(this.inspection()) }));
    }
  }

  /** What this replica says of itself in `byzfs status`. */
  private inspection(): object {
    const { stateRoot, ...described } = this.replica.describe();
    return {
      ...described,
      stateRoot: stateRoot ?? '',
      net: this.endpoint.counters,
      memoryBytes: process.memoryUsage.rss(),
    };
  }

  private scheduleTurn(): void {
    if (this.turnScheduled || this.stopped || !this.replica.hasReady) return;
    this.turnScheduled = true;
    setImmediate(() => {
      this.turnScheduled = false;
      this.guard(() => {
        this.replica.advanceClock(this.clock.advance(), wallClock());
        this.turn();
      });
    });
  }

  private tick(): void {
    this.replica.tick(this.clock.advance(), wallClock());
    this.turn();
  }

  /** Does what the state machine wants done, in the order its contract demands. */
  private turn(): void {
    const ready = this.replica.takeReady();
    if (ready.notes.length > 0) this.notes.push(...ready.notes);
    if (ready.persist.length > 0) {
      this.journal.append(this.notes.length === 0 ? ready.persist : this.notes.concat(ready.persist));
      this.notes = [];
      if (this.options.cluster.durability === 'synced') this.flushed = this.journal.sync();
    }
    if (ready.flush !== undefined) this.flush(ready.flush);
    if (this.flushed === undefined) return this.say(ready);
    // `synced`: turns speak in their order, each after the flush of all that was written before it.
    this.flushed.then(() => this.guard(() => this.say(ready)), this.stopBecause);
  }

  private flush(number: number): void {
    const report = (): void => {
      this.replica.flushed(number);
      this.scheduleTurn();
    };
    this.journal.sync().then(() => this.guard(report), this.stopBecause);
  }

  /** Replies leave first: what a client waits for is worth more than what the next batch does. */
  private say({ send, replies }: Pick<Ready, 'send' | 'replies'>): void {
    for (const { to, reply } of replies) this.reply(to, reply);
    for (const outgoing of send) this.send(outgoing);
  }

  /** This and `reply` are overridden by the faulty replicas that tests build. */
  protected send({ to, message }: Outgoing): void {
    const encoded = encodeMessage(message);
    if (to === 'replicas') for (const link of this.endpoint.replicas) link?.send(encoded);
    else this.endpoint.replicas[to]?.send(encoded);
  }

  protected reply(to: SessionId, reply: Reply): void {
    this.sessions.get(sessionKey(to))?.send(encodeMessage(reply));
  }

  private commit(): void {
    if (this.notes.length > 0) {
      this.journal.append(this.notes);
      this.notes = [];
    }
    // After a power loss the state must not be ahead of what the journal knows to have committed.
    if (this.options.cluster.durability === 'synced') this.journal.flushNow();
    this.state.commit();
    this.journal.prune(Math.min(this.replica.describe().stableCheckpoint, this.state.statistics.checkpointed));
  }

  /** Our own mistakes and failures of this machine end here: the replica stops rather than guess. */
  private guard(action: () => void): void {
    if (this.stopped) return;
    try {
      action();
    } catch (error) {
      this.stopBecause(error);
    }
  }

  private readonly stopBecause = (error: unknown): void => {
    if (this.stopped) return;
    this.options.log.fatal({ err: error }, 'this replica stops');
    this.shut();
    this.fail(error instanceof Error ? error : new Error(String(error)));
  };

  private shut(): void {
    this.stopped = true;
    for (const timer of this.timers) clearInterval(timer);
    void this.endpoint.close();
  }

  async stop(): Promise<void> {
    if (this.stopped) return;
    this.guard(() => this.commit());
    this.shut();
    this.state.close();
    await this.journal.close();
    noteStopped(replicaFiles(this.options.directory).journal);
  }
}

/**
 * Starts a replica from what its directory holds.
 * @throws FileStateError, JournalError: state or journal cannot be used; system errors of listening, with their code
 */
export async function startReplica(options: ReplicaServerOptions): Promise<ReplicaServer> {
  const server = new ReplicaServer(options);
  await server.listen();
  return server;
}
