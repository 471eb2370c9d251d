// What those can do who have a client's key, and a process that does not keep to anything.
import { randomBytes } from 'node:crypto';
import { pino } from 'pino';
import { ReplicaClient } from '../../../dist/src/client/connect.js';
import { loadCluster } from '../../../dist/src/cluster/file.js';
import { loadClientIdentity } from '../../../dist/src/cluster/identity.js';
import { encodeOperation } from '../../../dist/src/fileservice/operations.js';
import { CallKind, EVERYONE, READ_ONLY_SLOT } from '../../../dist/src/pbft/messages.js';
import { encodeMessage } from '../../../dist/src/wire/codec.js';

const ROOT = { uid: 0, gid: 0, groups: [] };
const log = pino({ level: 'silent' });
const NOTHING = Buffer.alloc(0);
/** As much as one call may ask for. */
const LARGE = encodeOperation(ROOT, { op: 'null', padding: NOTHING, resultBytes: 1024 * 1024 });
const SMALL = encodeOperation(ROOT, { op: 'null', padding: NOTHING, resultBytes: 0 });
const NULLS = 200;

class Crooked extends ReplicaClient {
  constructor(directory, name) {
    const cluster = loadCluster(directory);
    const identity = loadClientIdentity(directory, cluster, name);
    super({ cluster, identity, log, deadlineMs: 600_000 });
    this.number = identity.id;
    this.sequence = 1;
    this.told = { replies: 0, closedByReplica: 0, sent: 0 };
  }

  onMessage(link, message) {
    if (message.kind === 'reply') this.told.replies++;
    super.onMessage(link, message);
  }

  onDown(link, reason) {
    super.onDown(link, reason);
    this.told.closedByReplica++;
  }

  get links() {
    return this.endpoint.replicas.filter((link) => link !== undefined);
  }

  /** A read of its own making. */
  reading(operation) {
    const calls = [{ kind: CallKind.Service, slot: READ_ONLY_SLOT, sequence: this.sequence++, operation }];
    const session = { client: this.number, instance: this.instance };
    return encodeMessage(this.seal({ session, readOnly: true, replier: EVERYONE, calls }));
  }

  /** Opens a session: replies go to it. */
  begin() {
    return this.call(SMALL);
  }
}

/** Frames of this client, with nothing in them that makes sense; now and then bytes that are no frame. */
export function nonsense(directory) {
  const client = new Crooked(directory, 'nonsense');
  let round = 0;
  const timer = setInterval(() => {
    for (const link of client.links) {
      for (let i = 0; i < 5; i++) link.send(Buffer.concat([Buffer.from([round % 30]), randomBytes(round % 300)]));
      client.told.sent += 5;
      if (++round % 41 === 0) link.socket.write(randomBytes(500));
    }
  }, 20);
  return { told: client.told, stop: () => stop(client, timer) };
}

/** Asks for much and reads nothing. */
export function deaf(directory) {
  const client = new Crooked(directory, 'deaf');
  const heard = new Set();
  let isDeaf = false;
  const timer = setInterval(() => {
    if (!isDeaf) return;
    for (const link of client.links) {
      // That nothing comes is no reason to give up.
      link.silentBeats = 0;
      if (heard.has(link)) continue;
      heard.add(link);
      link.socket.pause();
      for (let i = 0; i < 100; i++) link.send(client.reading(LARGE));
      client.told.sent += 100;
    }
  }, 500);
  void client.begin().then(() => {
    isDeaf = true;
  });
  return { told: client.told, stop: () => stop(client, timer) };
}

/** More processes than a client may have. */
export function many(directory) {
  const clients = Array.from({ length: 70 }, () => new Crooked(directory, 'many'));
  const told = { most: 0 };
  const timer = setInterval(() => {
    // At one replica.
    for (const id of clients[0].endpoint.replicas.keys()) {
      told.most = Math.max(told.most, clients.filter(({ endpoint }) => endpoint.replicas[id] !== undefined).length);
    }
  }, 100);
  return { told, stop: () => Promise.all(clients.map((client) => stop(client, timer))) };
}

/** Faster than it may be: with reads, and with the same ordered request over and over. */
export function fast(directory) {
  const client = new Crooked(directory, 'fast');
  let again;
  const encode = client.encode.bind(client);
  client.encode = (request) => {
    again = encode(request);
    return again;
  };
  const timer = setInterval(() => {
    for (const link of client.links) {
      if (link.queuedBytes > 4 * 1024 * 1024) continue;
      const read = client.reading(SMALL);
      for (let i = 0; i < NULLS; i++) link.send(i % 2 === 0 && again !== undefined ? again : read);
      client.told.sent += NULLS;
    }
  }, 20);
  void client.begin();
  return { told: client.told, stop: () => stop(client, timer) };
}

/** It says no goodbye. */
function stop(client, timer) {
  clearInterval(timer);
  clearInterval(client.ticking);
  client.endpoint.close();
}
