import { Limits } from '../../../src/limits.js';
import type { Digest, NewView, OrderedBatch, ReplicaId, ViewChange } from '../../../src/pbft/messages.js';
import type { Random } from '../random.js';
import { type Behaviour, others, type Puppeteer } from './behaviour.js';

const nonsense = (random: Random): Digest => Buffer.alloc(32, random.below(4));

/** Signs states it does not have, now and for checkpoints to come, and passes off others' signatures. */
export const lyingCheckpoints: Behaviour = {
  name: 'lying about checkpoints',
  send(message, _to, { random, authentication, configuration }) {
    if (message.kind !== 'checkpoint') return [message];
    const sequence = message.sequence + Limits.checkpointInterval * random.below(3);
    const stateDigest = nonsense(random);
    const signature = authentication.signCheckpoint(sequence, stateDigest);
    const replica = random.pick([configuration.id, configuration.id, random.below(configuration.n)]);
    return [{ kind: 'checkpoint', sequence, stateDigest, replica, signature }];
  },
};

/** Says it has executed, and lacks, what it likes. */
export const lyingStatus: Behaviour = {
  name: 'lying about its status',
  send(message, _to, { random }) {
    if (message.kind !== 'status') return [message];
    const lastExecuted = Math.max(0, message.lastExecuted + random.below(40) - 20);
    return [
      {
        ...message,
        lastExecuted,
        lastStable: 0,
        missing: [],
        active: random.chance(0.5),
        dissatisfied: random.chance(0.5),
      },
    ];
  },
};

/** Forges the P and Q of its view-changes: what never prepared, in views that never were; nothing of what did. */
export const forgedViewChange: Behaviour = {
  name: 'forged view-change',
  send(message, _to, self) {
    if (message.kind !== 'view-change') return [message];
    const { random } = self;
    const { certificate, view } = message;
    const claims = [...message.prepared, ...message.prePrepared];
    const from = certificate?.sequence ?? 0;
    const forged = (): OrderedBatch => ({
      sequence: from + 1 + random.below(Math.min(20, Limits.logSize)),
      digest: claims.length > 0 && random.chance(0.7) ? random.pick(claims).digest : nonsense(random),
      view: random.chance(0.5) ? view - 1 : random.below(view),
    });
    const all = Array.from({ length: random.below(12) }, forged);
    const prepared = inOrder(random.chance(0.5) ? all : [...all, ...message.prepared], true);
    const prePrepared = inOrder(random.chance(0.3) ? [] : [...prepared, ...message.prePrepared], false);
    return [signed({ ...message, prepared, prePrepared }, self)];
  },
};

/** As the decoder wants them: rising, and at most one, or two different ones, of each number. */
function inOrder(batches: OrderedBatch[], unique: boolean): OrderedBatch[] {
  const kept: OrderedBatch[] = [];
  for (const each of [...batches].sort((a, b) => a.sequence - b.sequence)) {
    const same = kept.filter(({ sequence }) => sequence === each.sequence);
    const known = same.some(({ digest }) => Buffer.compare(digest, each.digest) === 0);
    if (same.length < (unique ? 1 : 2) && !known) kept.push(each);
  }
  return kept;
}

function signed(message: ViewChange, { authentication }: Puppeteer): ViewChange {
  return { ...message, signature: authentication.signViewChange(message) };
}

/** Claims a certified checkpoint of a state that is not. */
export const forgedCertificate: Behaviour = {
  name: 'forged certificate',
  send(message, _to, self) {
    if (message.kind !== 'view-change') return [message];
    const { random, configuration, authentication } = self;
    const sequence = Limits.checkpointInterval * (1 + random.below(4));
    const stateDigest = nonsense(random);
    const signature = authentication.signCheckpoint(sequence, stateDigest);
    const signatures = Array.from({ length: configuration.quorum }, (_, replica) => ({ replica, signature }));
    const within = ({ sequence: at }: OrderedBatch): boolean => at > sequence && at <= sequence + Limits.logSize;
    const prepared = message.prepared.filter(within);
    const prePrepared = message.prePrepared.filter(within);
    const certificate = { sequence, stateDigest, signatures };
    return [signed({ ...message, certificate, prepared, prePrepared }, self)];
  },
};

/** Begins a view of its own from too few view-changes, doubled ones, doctored ones, or others for each backup. */
export function doctoredNewView(): Behaviour {
  const heard = new Map<number, Map<ReplicaId, ViewChange>>();
  return {
    name: 'doctored new-view',
    hear(message) {
      if (message.kind !== 'view-change') return;
      const ofView = heard.get(message.view) ?? new Map<ReplicaId, ViewChange>();
      heard.set(message.view, ofView.set(message.replica, message));
    },
    send(message, _to, self) {
      if (message.kind !== 'new-view') return [message];
      return [doctored(message, [...(heard.get(message.view)?.values() ?? [])], self)];
    },
  };
}

function doctored(message: NewView, heard: ViewChange[], self: Puppeteer): NewView {
  const { random, authentication, configuration } = self;
  const mine = message.viewChanges.find(({ replica }) => replica === configuration.id);
  const forged = mine && (forgedViewChange.send!(mine, 0, self)[0] as ViewChange);
  const theirs = [...message.viewChanges, ...heard].filter(({ replica }) => replica !== configuration.id);
  let viewChanges = message.viewChanges;
  const trick = random.below(4);
  if (trick === 0) viewChanges = viewChanges.slice(1);
  if (trick === 1) viewChanges = [viewChanges[0], ...viewChanges.slice(0, -1)];
  if (trick === 2 && forged) viewChanges = viewChanges.map((each) => (each === mine ? forged : each));
  if (trick === 3 && forged && theirs.length > 0) {
    const chosen = new Map([forged, ...theirs].map((each) => [each.replica, each]));
    while (chosen.size > configuration.quorum) chosen.delete(random.pick([...chosen.keys()]));
    viewChanges = [...chosen.values()].sort((a, b) => a.replica - b.replica);
  }
  return { ...message, viewChanges, signature: authentication.signNewView(message.view, viewChanges) };
}

/** Asks for a new view all the time, and begins those that are its own. */
export function spammingViewChanges(): Behaviour {
  let view = 0;
  return {
    name: 'spamming view-changes',
    hear(message) {
      if ('view' in message && message.view > view && message.view < view + 100) view = message.view;
    },
    tick(self) {
      const { random, configuration } = self;
      if (!random.chance(0.2)) return;
      const asked = view + 1 + random.below(3);
      const empty = { certificate: undefined, prepared: [], prePrepared: [], signature: new Uint8Array() };
      const message = signed({ kind: 'view-change', view: asked, replica: configuration.id, ...empty }, self);
      for (const to of others(self)) self.send(to, message);
    },
  };
}
