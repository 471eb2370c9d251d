// A replica process that takes part in agreement and does one thing wrong. Arguments: DIR ID FAULT.
import path from 'node:path';
import { pino } from 'pino';
import { openFiles } from '../../dist/replica/open.js';
import { ScrubTally } from '../../dist/replica/scrubber.js';
import { ReplicaServer } from '../../dist/replica/server.js';
import { loadCluster } from '../../dist/src/cluster/file.js';
import { loadReplicaIdentity } from '../../dist/src/cluster/identity.js';
import { LYING_SOURCES } from './lying-sources.mjs';

const [directory, id, fault] = [process.argv[2], Number(process.argv[3]), process.argv[4]];
const cluster = loadCluster(directory);
const others = cluster.replicas.map((replica) => replica.id).filter((other) => other !== id);

/** Alters the data it answers clients with. */
class Lying extends ReplicaServer {
  reply(to, reply) {
    if (reply.result === undefined || reply.result.length === 0) return super.reply(to, reply);
    const altered = Buffer.from(reply.result);
    // The last bytes are the data of a READ, and the change counter of everything else.
    for (let i = Math.max(0, altered.length - 64); i < altered.length; i++) altered[i] ^= 0xff;
    super.reply(to, { ...reply, result: altered });
  }
}

/** As primary, gives every backup another batch: the same requests at another time. */
class Equivocating extends ReplicaServer {
  send(outgoing) {
    const { to, message } = outgoing;
    if (message.kind !== 'pre-prepare') return super.send(outgoing);
    for (const other of to === 'replicas' ? others : [to]) {
      const { seconds, nanoseconds } = message.batch.time;
      const time = { seconds, nanoseconds: (nanoseconds + other) % 1_000_000_000 };
      super.send({ to: other, message: { ...message, batch: { ...message.batch, time } } });
    }
  }
}

/** As primary, proposes something else than what clients have asked for. */
class Forging extends ReplicaServer {
  send({ to, message }) {
    if (message.kind !== 'pre-prepare') return super.send({ to, message });
    const requests = message.batch.requests.map((request) => {
      const body = Buffer.from(request.body ?? request.digest);
      body[body.length - 1] ^= 1;
      return { ...request, body };
    });
    super.send({ to, message: { ...message, batch: { ...message.batch, requests } } });
  }
}

/** As primary, orders each batch half a second late: in time for every timer. */
class Slow extends ReplicaServer {
  send(outgoing) {
    if (outgoing.message.kind !== 'pre-prepare') return super.send(outgoing);
    this.after = Math.max(this.after ?? 0, Date.now()) + 500;
    setTimeout(() => super.send(outgoing), this.after - Date.now());
  }
}

/** Lets revoked clients stay, and as primary proposes what they ask for, as if it had not been executed before. */
class Permissive extends ReplicaServer {
  constructor(...given) {
    super(...given);
    this.replica.rooms.execution.answerRemembered = () => false;
  }

  dismissIfRevoked() {}
}

const Faulty = {
  lying: Lying,
  equivocating: Equivocating,
  forging: Forging,
  slow: Slow,
  permissive: Permissive,
  ...LYING_SOURCES,
}[fault];
const options = {
  cluster,
  identity: loadReplicaIdentity(directory, cluster, id),
  directory: path.join(directory, `replica-${id}`),
  log: pino({ level: 'warn' }),
};
const server = new Faulty(options, await openFiles(options, new ScrubTally()));
await server.listen();
process.on('SIGTERM', () => server.stop().then(() => process.exit()));
