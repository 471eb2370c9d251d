import type {
  Checkpoint,
  CheckpointCertificate,
  OrderedBatch,
  ReplicaId,
  ReplicaMessage,
  Reply,
  StartReport,
  ViewChange,
} from '../../../src/pbft/messages.js';
import { type Behaviour, others, type Puppeteer } from './behaviour.js';

/** What a puppet lets its honest half say to one recipient, instead of a message. */
export type Says = (message: ReplicaMessage, to: ReplicaId) => ReplicaMessage[];

export const silence: Says = () => [];
export const honesty: Says = (message) => [message];

/** A Byzantine replica that an attack leads: its honest half goes on, and the attack decides what leaves. */
export class Puppet implements Behaviour {
  readonly name = 'puppet';
  says: Says = honesty;
  hears: (message: ReplicaMessage, from: ReplicaId) => void = () => {};
  /** Clients hear from it what the attack has it say, and nothing else. */
  parrots = false;
  /** Done at every tick. */
  acts: () => void = () => {};
  private strings: Puppeteer | undefined;

  constructor(readonly id: ReplicaId) {}

  readonly send = (message: ReplicaMessage, to: ReplicaId, self: Puppeteer): ReplicaMessage[] => {
    this.strings = self;
    return this.says(message, to);
  };

  readonly reply = (reply: Reply): Reply[] => (this.says === silence || this.parrots ? [] : [reply]);

  readonly hear = (message: ReplicaMessage, from: ReplicaId, self: Puppeteer): void => {
    this.strings = self;
    this.hears(message, from);
  };

  readonly tick = (self: Puppeteer): void => {
    this.strings = self;
    this.acts();
  };

  /** Its keys and links. */
  get self(): Puppeteer {
    return this.strings!;
  }

  tell(to: ReplicaId, message: ReplicaMessage): void {
    this.self.send(to, message);
  }

  tellAll(message: ReplicaMessage): void {
    for (const to of others(this.self)) this.tell(to, message);
  }

  /** Whatever the attack had it do is over. */
  reform(): void {
    this.says = honesty;
    this.parrots = false;
    this.hears = () => {};
    this.acts = () => {};
  }

  /** Says that the primary of the view fails it: with one more who says so, the view is left. */
  complain(to: ReplicaId, view: number): void {
    const nothing = {
      viewChanges: 0,
      lastStable: 0,
      lastExecuted: 0,
      lastFlushed: 0,
      recovering: false,
      awaited: 0,
      missing: [],
    };
    this.tell(to, { kind: 'status', view, active: true, dissatisfied: true, ...nothing });
  }

  /** Its own view-change for a view, with what it likes in it; without a checkpoint if it has none to show. */
  viewChange(view: number, { certificate, prepared = [], prePrepared = prepared }: Claims = {}): ViewChange {
    const { authentication } = this.self;
    const unsigned = { kind: 'view-change', view, replica: this.id, certificate, prepared, prePrepared } as const;
    return { ...unsigned, signature: authentication.signViewChange(unsigned) };
  }

  /** A stable checkpoint, with its own word for what two others say: three are a quorum of four. */
  certify({ sequence, stateDigest }: Checkpoint, votes: readonly Checkpoint[]): CheckpointCertificate {
    const signature = this.self.authentication.signCheckpoint(sequence, stateDigest);
    return { sequence, stateDigest, signatures: [...votes, { replica: this.id, signature }] };
  }

  /** Its own report, with another certificate in it. */
  report(report: StartReport, certificate: CheckpointCertificate): StartReport {
    const unsigned = { ...report, certificate };
    return { ...unsigned, signature: this.self.authentication.signReport(unsigned) };
  }
}

export interface Claims {
  certificate?: ViewChange['certificate'];
  prepared?: OrderedBatch[];
  /** By default as what is claimed to have prepared. */
  prePrepared?: OrderedBatch[];
}
