import { randomInt } from 'node:crypto';
import { ADMIN, clientNamed } from '../src/cluster/registry.js';
import { ReplicaAuthentication } from '../src/crypto/authentication.js';
import type { MacKey } from '../src/crypto/macs.js';
import type { NetCounters } from '../src/net/counters.js';
import { ReplicaEndpoint } from '../src/net/endpoint.js';
import type { Link } from '../src/net/link.js';
import type { Dialed, LinkHandler } from '../src/net/link-handler.js';
import { Configuration } from '../src/pbft/configuration.js';
import { sessionKey } from '../src/pbft/digests.js';
import type { ClientMessage, Message, ReplicaMessage, Reply, SequenceNumber, SessionId } from '../src/pbft/messages.js';
import type { JournalRecord } from '../src/pbft/ports.js';
import type { Outgoing, Ready } from '../src/pbft/ready.js';
import { Replica, type ReplicaDescription } from '../src/pbft/replica.js';
import { SteadyClock, wallClock } from '../src/steady-clock.js';
import { encodeMessage } from '../src/wire/codec.js';
import { Alarms } from './alarms.js';
import { ClientKeys } from './client-keys.js';
import { clearMarker, writeMarker } from './damage-marker.js';
import type { PeerTraffic, ReplicaFigures } from './figures.js';
import { noteRunning, noteStopped } from './journal/boot.js';
import type { Journal } from './journal/journal.js';
import { RequestLatency } from './latency.js';
import { replicaFiles } from './layout.js';
import { closeFiles, type OpenedFiles, type OpenOptions } from './open.js';
import { checkCertificate } from './proactive/certificate.js';
import { nextEpoch } from './proactive/epoch.js';
import { Peers } from './proactive/peers.js';
import { ProactiveRecovery } from './proactive/recovery.js';
import { Scrubber } from './scrubber.js';
import { isDamage } from './state/database.js';
import { type FileState, StateError } from './state/index.js';

export interface ReplicaServerOptions extends OpenOptions {
  /** Who starts this process starts another when it ends by `recovers`: this is such another, or it is the first. */
  kept?: 'first' | 'recovering';
}

const TICK_MS = 20;
const LIVES = 2 ** 48 - 1;
/**
 * The state's transaction is committed when that is due, or after so long: rows that change often are then written
 * seldom. What a killed process had not committed its journal has.
 */
const COMMIT_MS = 2000;
/** What may be journaled later than it happens. */
const NOTES_MS = 250;
const RECOVERY_TICK_MS = 100;
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
  private readonly scrubber: Scrubber;
  private readonly peers = new Peers();
  /** By replica. */
  private readonly peerTraffic: Pick<PeerTraffic, 'sent' | 'received'>[];
  private readonly recovery: ProactiveRecovery;
  /** Who may ask for a scrub. */
  private readonly admin: number;
  private readonly latency = new RequestLatency();
  private readonly alarms: Alarms;
  /** Where replies to a client process go. */
  private readonly sessions = new Map<string, Link>();
  private readonly attached = new Map<Link, string>();
  private notes: JournalRecord[] = [];
  /** In `synced` mode: the flush that covers all that was persisted so far. */
  private flushed: Promise<void> | undefined;
  /** Of the client at the other end when the link came up. */
  private readonly linkKeys = new WeakMap<Link, Buffer>();
  /** `Registry.changes` when all links were last looked at. */
  private clientsSeen = 0;
  private turnScheduled = false;
  private transferring = false;
  private stopped = false;
  private closed = Promise.resolve();
  private readonly endpoint: ReplicaEndpoint;
  private readonly timers: NodeJS.Timeout[] = [];
  private fail!: (error: Error) => void;
  private endForRecovery!: () => void;
  /** Resolves when this process is to be stopped, and another one to take its place. */
  readonly recovers = new Promise<'recovers'>((resolve) => {
    this.endForRecovery = () => resolve('recovers');
  });
  /** Resolves when this replica cannot go on: a local failure stops it, and never becomes a reply. */
  readonly failed = new Promise<Error>((resolve) => {
    this.fail = resolve;
  });

  constructor(
    readonly options: ReplicaServerOptions,
    readonly files: OpenedFiles,
  ) {
    const { state, journal, tally, lostPower } = files;
    const { cluster, identity, log } = options;
    const synced = cluster.durability === 'synced';
    const clientKey = new ClientKeys(state.registry).of;
    const authentication = new ReplicaAuthentication({
      cluster,
      identity,
      clientKey,
      authenticatorKeys: (session) => this.authenticatorKeys(session),
    });
    this.peerTraffic = cluster.replicas.map(() => ({
      ...{ sent: { messages: 0, bytes: 0 }, received: { messages: 0, bytes: 0 } },
    }));
    this.alarms = new Alarms(cluster.f, log);
    this.state = state;
    this.journal = journal;
    this.admin = clientNamed(cluster, ADMIN).id;
    this.scrubber = new Scrubber({
      state,
      tally,
      guard: (action) => this.guard(action),
      isCaughtUp: () => this.replica.describe().state === 'normal',
      certified: () => this.certified(),
      onDamage: (what) => this.onDamage(what),
    });
    const recovered = this.journal.recover(this.forgettable());
    checkCertificate(recovered, new Configuration(cluster.f, identity.id), authentication);
    this.markForgotten(recovered, lostPower);
    const started = nextEpoch(recovered, Date.now());
    this.journal.append([started]);
    this.journal.flushNow();
    // Only now: a start that is cut short must not make the next one believe that nothing was forgotten.
    noteRunning(replicaFiles(options.directory).journal);
    // Nor is what a killed process wrote on the disk yet, and what is said may rest on it.
    if (synced) this.flushed = this.journal.sync();
    this.replica = new Replica({
      configuration: new Configuration(cluster.f, identity.id, cluster.optimizations),
      authentication,
      state: this.state,
      history: this.journal,
      recovered,
      synced,
      life: randomInt(LIVES),
      batchWindow: BATCH_WINDOW,
    });
    this.recovery = new ProactiveRecovery(
      {
        ...{ cluster, id: identity.id, started, kept: options.kept, log },
        ...{ replica: this.replica, peers: this.peers },
        record: (completed) => this.journal.append([completed]),
        changed: () => this.scheduleTurn(),
        end: () => this.endForRecovery(),
      },
      Date.now(),
    );
    const clientRate = (client: number): number | undefined => state.registry.get(client)?.rights.rate;
    const { epoch } = started;
    this.endpoint = new ReplicaEndpoint({ cluster, identity, handler: this, epoch, clientKey, clientRate });
    log.info({ records: recovered.length, lastExecuted: this.state.lastExecuted }, 'restored');
  }

  /** Up to there nothing on record is needed, unless others ask for it. */
  private forgettable(): SequenceNumber {
    const { state, journal } = this;
    // A state that was begun anew comes from others: there is nothing to be executed again.
    if (state.installed > state.lastExecuted) return journal.lastStable;
    return Math.min(journal.lastStable, state.lastExecuted);
  }

  /** Puts on record whether this replica has to keep silent, before it says anything. */
  private markForgotten(recovered: JournalRecord[], lostPower: boolean): void {
    const { cluster, log, rejoin } = this.options;
    const last = recovered.findLast(({ kind }) => kind === 'recovering' || kind === 'recovered');
    // A single replica contradicts nobody.
    const isAlone = cluster.f === 0;
    let mark: JournalRecord | undefined;
    if (isAlone && (lostPower || last?.kind === 'recovering')) {
      mark = { kind: 'recovered', votesFrom: 0 };
      log.warn('power was lost: this replica goes on from its disk; what was not fsynced may be lost');
    } else if ((lostPower || rejoin) && !isAlone) {
      mark = { kind: 'recovering', diskLost: rejoin === true };
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
    this.timers.push(setInterval(() => this.guard(() => this.writeNotes()), NOTES_MS));
    this.timers.push(setInterval(() => this.guard(() => this.commit()), COMMIT_MS));
    this.timers.push(setInterval(() => this.guard(() => this.recovery.tick(Date.now())), RECOVERY_TICK_MS));
    this.scrubber.start();
  }

  private authenticatorKeys(session: SessionId): readonly MacKey[] {
    return this.sessions.get(sessionKey(session))?.authenticatorKeys ?? [];
  }

  onUp(link: Link): void {
    const { role, id } = link.peer;
    this.options.log.info({ role, id }, 'link is up');
    if (role === 'replica') {
      this.guard(() => this.replica.linkUp(id));
      return this.scheduleTurn();
    }
    const client = this.state.registry.get(id);
    if (client !== undefined) this.linkKeys.set(link, client.publicKey);
    this.dismissIfRevoked(link);
  }

  /** Ends a link whose client has been revoked, or is not the one any more that it was. */
  private dismissIfRevoked(link: Link): void {
    const client = this.state.registry.get(link.peer.id);
    const isSame = client !== undefined && this.linkKeys.get(link)?.equals(client.publicKey) === true;
    if (isSame && client.revoked === undefined) return;
    if (isSame) link.send(encodeMessage({ kind: 'revoked' }));
    link.close();
  }

  /** Somebody was registered or revoked: links follow the state. */
  private followClients(): void {
    const { changes } = this.state.registry;
    if (changes === this.clientsSeen) return;
    this.clientsSeen = changes;
    for (const link of [...this.endpoint.clients]) this.dismissIfRevoked(link);
  }

  onDown(link: Link, reason: string): void {
    const { role, id } = link.peer;
    const { log } = this.options;
    if (!this.stopped && role === 'replica') log.warn({ role, id, reason }, 'link is down');
    else if (!this.stopped) log.info({ role, id, reason }, 'link is down');
    if (role === 'replica') this.peers.onDown(id);
    this.detach(link);
  }

  private detach(link: Link): void {
    const key = this.attached.get(link);
    this.attached.delete(link);
    if (key !== undefined && this.sessions.get(key) === link) this.sessions.delete(key);
  }

  onRefused(address: string, reason: string, dialed?: Dialed): void {
    const { log } = this.options;
    // Who is down will be back, and anybody can connect. Who answers and is not whom it should be is for people to look at.
    if (dialed === undefined || dialed.code === 'disconnected') log.debug({ address, reason }, 'no link');
    else log.warn({ replica: dialed.replica, address, reason }, 'no link to a replica that answers');
  }

  onMessage(link: Link, message: Message, bytes: number): void {
    if (this.stopped) return;
    if (link.peer.role === 'replica') countTraffic(this.peerTraffic[link.peer.id].received, bytes);
    this.guard(() => {
      if (message.kind === 'status') this.peers.onStatus(link.peer.id, message, Date.now());
      // A client sends most of what is to be ordered to the primary only.
      if (message.kind === 'pre-prepare') this.latency.arrived(message.batch.requests[0]);
      if (link.peer.role === 'replica') this.replica.receive(message as ReplicaMessage, link.peer.id);
      else this.onClientMessage(link, message as ClientMessage);
    });
    this.scheduleTurn();
  }

  private onClientMessage(link: Link, message: ClientMessage): void {
    switch (message.kind) {
      case 'request':
        this.latency.arrived(message);
        return this.replica.receiveFromClient(message, link.peer.id);
      case 'attach': {
        this.detach(link);
        const key = sessionKey({ client: link.peer.id, instance: message.instance });
        this.attached.set(link, key);
        this.sessions.set(key, link);
        return;
      }
      case 'inspect':
        if (message.scrub && link.peer.id === this.admin) this.scrubber.ask();
        link.send(encodeMessage({ kind: 'inspection', json: JSON.stringify(this.report()) }));
    }
  }

  /** For `byzfs bench --profile`. */
  get traffic(): { view: number; net: NetCounters } {
    return { view: this.replica.describe().view, net: this.endpoint.counters };
  }

  /** What this replica says of itself in `byzfs status`, and to whoever looks at its page. */
  report(): object {
    const { stateRoot, rejectedFrom: _, ...described } = this.replica.describe();
    const { batches, calls, reads, viewChanges } = this.replica.tally;
    return {
      ...described,
      stateRoot: stateRoot ?? '',
      work: { batches, calls, reads, viewChanges, latency: this.latency.histogram.figures() },
      scrub: this.scrubber.status,
      recovery: this.recovery.status,
      net: this.endpoint.counters,
      memoryBytes: process.memoryUsage.rss(),
      clock: Date.now(),
    };
  }

  /** For its metrics. */
  get figures(): ReplicaFigures {
    const { replica, endpoint, journal, state } = this;
    const { identity } = this.options;
    const links = this.peerTraffic.map((each, id) => ({
      replica: id,
      linked: endpoint.replicas[id] !== undefined,
      ...each,
    }));
    return {
      described: replica.describe(),
      isPrimary: replica.isPrimary,
      ...{ tally: replica.tally, latency: this.latency.histogram.figures() },
      peers: links.filter((each) => each.replica !== identity.id),
      ...{ clientLinks: endpoint.clients.size, net: endpoint.counters },
      ...{ scrub: this.scrubber.status, recovery: this.recovery.status },
      ...{ state: state.statistics, journalBytes: journal.bytes },
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
    if (this.state.isCommitDue) this.commit();
  }

  /** Does what the state machine wants done, in the order its contract demands. */
  private turn(): void {
    const ready = this.replica.takeReady();
    if (ready.notes.length > 0) this.notes.push(...ready.notes);
    if (ready.persist.length > 0) {
      if (ready.persist.some(({ kind }) => kind === 'recovering')) {
        this.options.log.error('the disk went back in time: this replica says nothing until it is up to date');
      }
      this.journal.append(this.notes.length === 0 ? ready.persist : this.notes.concat(ready.persist));
      this.notes = [];
      if (this.options.cluster.durability === 'synced') this.flushed = this.journal.sync();
    }
    // There may be work left that no message asks for.
    this.scheduleTurn();
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
    this.followClients();
  }

  /** This and `reply` are overridden by the faulty replicas that tests build. */
  protected send({ to, message }: Outgoing): void {
    const encoded = encodeMessage(message);
    if (to === 'replicas') for (const link of this.endpoint.replicas) this.sendTo(link, encoded);
    else this.sendTo(this.endpoint.replicas[to], encoded);
  }

  private sendTo(link: Link | undefined, encoded: Uint8Array): void {
    if (link?.send(encoded)) countTraffic(this.peerTraffic[link.peer.id].sent, encoded.length);
  }

  protected reply(to: SessionId, reply: Reply): void {
    this.latency.answered(to, reply);
    this.sessions.get(sessionKey(to))?.send(encodeMessage(reply));
  }

  private writeNotes(): void {
    if (this.notes.length > 0) this.journal.append(this.notes);
    this.notes = [];
    const described = this.replica.describe();
    this.announce(described);
    const linked = this.endpoint.replicas.filter((link) => link !== undefined).length;
    this.alarms.look(described, linked, performance.now());
  }

  private commit(): void {
    this.writeNotes();
    // After a power loss the state must not be ahead of what the journal knows to have committed.
    if (this.options.cluster.durability === 'synced') this.journal.flushNow();
    this.state.commit();
    this.journal.prune(Math.min(this.replica.describe().settled, this.state.statistics.checkpointed));
  }

  /** A state transfer is worth a line at its begin and at its end. */
  private announce({ transfer, lastExecuted }: ReplicaDescription): void {
    if ((transfer !== null) === this.transferring) return;
    this.transferring = transfer !== null;
    const { log } = this.options;
    if (transfer !== null)
      log.warn({ sequence: transfer.sequence, lastExecuted }, 'takes the state from other replicas');
    else {
      clearMarker(replicaFiles(this.options.directory).damaged);
      log.info({ installed: this.state.installed, lastExecuted }, 'has the state of the others');
    }
  }

  /** The last stable checkpoint, and its root in hex. */
  private certified(): { sequence: SequenceNumber; root: string } | undefined {
    const { stableCheckpoint: sequence, stateRoot: root } = this.replica.describe();
    return root === null ? undefined : { sequence, root };
  }

  /** What the disk has altered is taken from the others again. */
  private onDamage(what: string): void {
    this.options.log.error({ what }, 'the state is not what was written');
    const { cluster, directory } = this.options;
    // Without others, or a checkpoint of theirs, the state is begun anew, or cannot be.
    if (cluster.f > 0 && this.certified() !== undefined) {
      writeMarker(replicaFiles(directory).damaged, { certain: true, why: what });
      this.replica.stateDamaged();
      return this.scheduleTurn();
    }
    this.state.distrust();
    this.stopBecause(new StateError('corrupt', replicaFiles(directory).state, what));
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
    const { log, directory } = this.options;
    log.fatal({ err: error }, 'this replica stops');
    const reason = error instanceof Error ? error : new Error(String(error));
    // Whatever it was, the disk may be what failed.
    const certain = this.state.damaged || isDamage(error);
    writeMarker(replicaFiles(directory).damaged, { certain, why: reason.message });
    this.shut();
    this.fail(reason);
  };

  private shut(): void {
    this.stopped = true;
    for (const timer of this.timers) clearInterval(timer);
    this.scrubber.stop();
    this.closed = this.endpoint.close();
  }

  /** After it has failed: lets go of its port and files. */
  async abandon(): Promise<void> {
    await this.closed;
    await closeFiles(this.files, this.options.log);
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

function countTraffic(counts: { messages: number; bytes: number }, bytes: number): void {
  counts.messages++;
  counts.bytes += bytes;
}
