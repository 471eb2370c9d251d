import { isLarge } from './bodies.js';
import { type Core, isDesignated } from './core.js';
import type { Execution } from './execution.js';
import type { ReplicaId, Request } from './messages.js';
import type { RequestTimer } from './request-timer.js';

/** Signatures of one client that may prove wrong between two ticks: then it costs no more work until the next. */
const WRONG_SIGNATURES_PER_TICK = 8;

/** What becomes of a client's request before it is ordered (TOCS '02 §4.2, DESIGN 3.5). */
export class Requests {
  private readonly wrongSignatures = new Map<number, number>();

  constructor(
    private readonly core: Core,
    private readonly execution: Execution,
    private readonly timer: RequestTimer,
    /** Told of each authentic request that came to a backup. */
    private readonly onBody: (request: Request) => void,
  ) {}

  tick(): void {
    this.wrongSignatures.clear();
    this.core.bodies.dropOld(this.core.now);
  }

  /** `client` is whom the link authenticates. */
  onClientRequest(request: Request, client: number): void {
    const { outbox } = this.core;
    if (request.session.client !== client) return outbox.reject("request in another client's name");
    if (request.readOnly) this.execution.read(request);
    else this.onOrdered(request);
  }

  /** A backup relays what a client, tired of waiting for the primary, sent to everyone. */
  onRelayedRequest(request: Request, from: ReplicaId): void {
    const { outbox } = this.core;
    if (request.readOnly) return outbox.suspect(from, 'relayed a read-only request');
    if (!isDesignated(this.core)) return outbox.reject('relayed request at a backup');
    this.onOrdered(request);
  }

  private onOrdered(request: Request): void {
    const { core } = this;
    if (this.execution.answerRemembered(request)) return;
    if (isDesignated(core)) {
      // The signature, whatever the MAC says: backups with which the client shares no key will need it.
      if (!core.queue.has(request) && this.verifySignature(request)) this.enqueue(request, true);
      return;
    }
    if (!core.queue.has(request)) {
      const verified = !core.authentication.verifyRequestMac(request);
      if (verified && !this.verifySignature(request)) return;
      if (this.keepForLater(request)) return;
      this.enqueue(request, verified);
      this.onBody(request);
    }
    if (core.active) core.outbox.send(core.configuration.primary(core.view), request);
  }

  /**
   * What a client sends to all is its first word to a backup, not yet a complaint of the primary: it is only kept. Only
   * what is authentic is, so that no bad copy stands in the way of the good one that the primary has.
   */
  private keepForLater(request: Request): boolean {
    const { bodies, configuration, now } = this.core;
    if (!configuration.optimizations.separateRequests || !isLarge(request)) return false;
    const isNew = bodies.hold(request, now);
    if (isNew) this.onBody(request);
    else bodies.remove(request);
    return isNew;
  }

  private enqueue(request: Request, verified: boolean): void {
    if (this.core.queue.add(request, verified) === 'full') {
      return this.core.outbox.reject('too many requests of one client');
    }
    this.timer.update();
  }

  private verifySignature(request: Request): boolean {
    const { client } = request.session;
    const wrong = this.wrongSignatures.get(client) ?? 0;
    if (wrong < WRONG_SIGNATURES_PER_TICK && this.core.authentication.verifyRequestSignature(request)) return true;
    this.wrongSignatures.set(client, wrong + 1);
    this.core.outbox.reject('request with a wrong signature');
    return false;
  }

  /** Forgets what was answered or overtaken in its slot: there is nothing left to wait for (DESIGN 3.5). */
  dropSettled(): void {
    for (const { request } of [...this.core.queue.all()]) {
      if (this.execution.settled(request)) this.core.queue.remove(request);
    }
  }

  /** Before a view is left for their sake, and before this replica proposes them: none must be a forgery. */
  verifyWaiting(): void {
    const { core } = this;
    for (const waiting of [...core.queue.all()]) {
      if (waiting.verified) continue;
      waiting.verified = core.authentication.verifyRequestSignature(waiting.request);
      if (waiting.verified) continue;
      core.outbox.reject('request with a wrong signature');
      core.queue.remove(waiting.request);
    }
  }

  /** A view begins: its primary may not have heard of what waits here. */
  enteredView(): void {
    const { core } = this;
    if (isDesignated(core)) return this.verifyWaiting();
    const primary = core.configuration.primary(core.view);
    for (const { request, proposed } of core.queue.all()) if (!proposed) core.outbox.send(primary, request);
  }
}
