import type { NewView, OrderedBatch, ReplicaId, SequenceNumber, ViewChange } from '../../../src/pbft/messages.js';
import { honesty, silence } from '../byzantine/puppet.js';
import { FIRST_CLIENT } from '../network.js';
import type { Attack } from './attack.js';
import type { Stage } from './stage.js';

/**
 * The primary of view 1 begins it without a batch that committed in view 0, and proposes another in its place. It tries
 * in turn: view-changes it forged, fewer than a quorum, its own counted twice, one that another replica signed with other
 * content in it.
 */
const doctoredNewView: Attack = {
  name: 'a new-view that leaves out a committed batch',
  puppet: 1,
  // Its honest half proposes on though nothing is executed.
  world: { batchWindow: 8 },
  carryOut(stage) {
    const { puppet } = stage;
    const [committer, helper, stranger] = [0, 2, 3];
    const heals = [
      stage.loseKinds(['prepare'], (_from, to) => to === stranger),
      stage.loseKinds(['commit'], (_from, to) => to !== committer),
    ];
    const sequence = stage.host(committer).state.lastExecuted + 1;
    stage.append(0);
    stage.until('nothing commits', () => stage.hasCommitted(committer, sequence));
    const heal = stage.isolate(committer);
    const votes = stage.lose(
      (message) => (message.kind === 'prepare' || message.kind === 'commit') && message.view === 0,
    );

    const strangers = new Map<number, ViewChange>();
    puppet.hears = (message, from) => {
      if (message.kind === 'view-change' && from === stranger) strangers.set(message.view, message);
      if (message.kind !== 'prepare' || message.view !== 1) return;
      puppet.tellAll({ ...message, kind: 'commit' });
    };
    puppet.says = (message, to) => {
      if (message.kind === 'new-view' && message.view === 1)
        return doctored(stage, message, strangers.get(1), helper, sequence);
      if (!('view' in message) || message.view !== 1) return honesty(message, to);
      // What its honest half proposes after the batch that was left out takes that one's place.
      if (message.kind === 'pre-prepare') return [{ ...message, sequence: message.sequence - 1 }];
      return message.kind === 'prepare' || message.kind === 'commit' ? [] : [message];
    };
    stage.append(2);
    stage.within(4000, () => stage.hasCommitted(helper, sequence));
    for (const each of [...heals, votes, heal]) each();
  },
};

function doctored(
  stage: Stage,
  { view, viewChanges }: NewView,
  strangers: ViewChange | undefined,
  helper: ReplicaId,
  sequence: SequenceNumber,
): NewView[] {
  const { puppet } = stage;
  const { authentication } = puppet.self;
  const honest = viewChanges.find(({ replica }) => replica === puppet.id);
  if (strangers === undefined || honest === undefined) return [];
  const before = (each: OrderedBatch): boolean => each.sequence < sequence;
  const prepared = honest.prepared.filter(before);
  const own = puppet.viewChange(view, { prepared, prePrepared: honest.prePrepared.filter(before) });
  return [
    [{ ...own, replica: 0 }, own, { ...own, replica: helper }],
    [own, strangers],
    [own, own, strangers],
    [own, { ...strangers, replica: helper }, strangers],
  ].map((chosen) => {
    return { kind: 'new-view', view, viewChanges: chosen, signature: authentication.signNewView(view, chosen) };
  });
}

/**
 * Only one replica knows that a checkpoint is stable, one has it without knowing that, one lags behind it. The new view
 * begins from the view-changes of the first, the last and the puppet.
 */
const loneCertificate: Attack = {
  name: 'a stable checkpoint that one replica knows of',
  puppet: 3,
  world: { limits: { checkpointInterval: 10, logSize: 40, batchRequests: 1 }, batchWindow: 1 },
  carryOut(stage) {
    const { puppet } = stage;
    const [knows, lags, unaware] = [0, 1, 2];
    const heals = [stage.isolate(lags), stage.loseKinds(['checkpoint'], (_from, to) => to !== knows)];
    const begun = stage.host(knows).state.lastExecuted;
    const stable = 10 * (Math.floor((begun + 1) / 10) + 1);
    while (stage.host(knows).state.lastExecuted <= stable) {
      const call = stage.append(0);
      stage.until('a call is not answered', () => stage.answered(call));
    }
    stage.until('the checkpoint is not stable', () => {
      return (
        stage.host(knows).replica?.describe().stableCheckpoint === stable && stage.hasCommitted(unaware, stable + 1)
      );
    });

    // The one that lags hears nothing that would bring it up: only what makes the view change.
    const wanted = ['view-change', 'new-view', 'fetch-batch', 'batch-data', 'status', 'prepare', 'commit'];
    const filter = stage.lose((message, from, to) => {
      if (from >= FIRST_CLIENT || to >= FIRST_CLIENT) return false;
      if (message.kind === 'view-change') return to === unaware || from === unaware;
      if (to !== lags) return false;
      const ofViewZero = 'view' in message && message.view === 0 && from !== puppet.id;
      return ofViewZero || !wanted.includes(message.kind);
    });
    heals.shift()!();
    puppet.hears = (message, from) => {
      if (message.kind !== 'prepare' || message.view !== 1 || message.sequence > stable) return;
      for (const to of [from, lags]) {
        puppet.tell(to, message);
        puppet.tell(to, { ...message, kind: 'commit' });
      }
    };
    // What the one that lags has, and what the one that knows has above the checkpoint, the puppet confirms.
    const confirmed: OrderedBatch[] = [];
    for (let sequence = 1; sequence <= stable + 1; sequence++) {
      if (sequence > stage.host(lags).state.lastExecuted && sequence <= stable) continue;
      confirmed.push({ sequence, view: 0, digest: stage.decided(knows, sequence).digest });
    }
    puppet.says = silence;
    puppet.acts = () => {
      if (stage.viewOf(knows) > 0) return;
      puppet.complain(lags, 0);
      const lie = puppet.viewChange(1, { prePrepared: confirmed });
      if (stage.viewOf(lags) > 0) for (const to of [knows, lags]) puppet.tell(to, lie);
    };
    heals.push(stage.cutOff(2, knows, unaware, puppet.id));
    stage.append(2);
    stage.within(4000, () => stage.isIn(1, unaware, lags));
    stage.within(300, () => stage.hasCommitted(lags, stable));
    puppet.acts = () => {};
    puppet.says = (message, to) => ('view' in message && message.view === 0 ? [] : honesty(message, to));
    for (const heal of [...heals, filter]) heal();
  },
};

/** A checkpoint far ahead that nobody took, with the puppet's signature for everyone's. */
const inventedCheckpoint: Attack = {
  name: 'a view-change with an invented checkpoint',
  puppet: 3,
  carryOut(stage) {
    const { puppet } = stage;
    const heal = stage.isolate(0);
    const stateDigest = Buffer.alloc(32, 7);
    puppet.says = (message) => {
      if (message.kind !== 'view-change') return [message];
      const sequence = 128 * 3;
      const signature = puppet.self.authentication.signCheckpoint(sequence, stateDigest);
      const signatures = [0, 1, 2].map((replica) => ({ replica, signature }));
      return [puppet.viewChange(message.view, { certificate: { sequence, stateDigest, signatures } })];
    };
    const call = stage.append(1);
    stage.within(4000, () => stage.answered(call));
    heal();
  },
};

/** The first copy of every new-view is lost on every link, as long as one looks: what is sent again arrives. */
const lostNewViews: Attack = {
  name: 'the first copy of each new-view is lost',
  carryOut(stage) {
    const lost = new Set<string>();
    stage.lose((message, _from, to) => {
      if (message.kind !== 'new-view') return false;
      const copy = `${message.view} ${to}`;
      return lost.size < lost.add(copy).size;
    });
    const heal = stage.isolate(0);
    const call = stage.append(1);
    stage.within(6000, () => stage.answered(call));
    heal();
  },
};

/** A backup asks for view after view, alone, as long as one looks. */
const loneViewChanges: Attack = {
  name: 'one backup asks for view after view',
  puppet: 3,
  carryOut(stage) {
    const { puppet, random } = stage;
    puppet.acts = () => {
      const highest = Math.max(...[0, 1, 2].map((id) => stage.viewOf(id)));
      puppet.tellAll(puppet.viewChange(highest + 1 + random.below(6)));
    };
    const calls = [0, 1, 2].map((client) => stage.append(client));
    stage.within(2000, () => stage.answered(...calls));
  },
};

export const NEW_VIEW_ATTACKS: readonly Attack[] = [
  doctoredNewView,
  loneCertificate,
  inventedCheckpoint,
  lostNewViews,
  loneViewChanges,
];
