import { type Core, isPrimary } from './core.js';
import type { Execution } from './execution.js';
import type { ReplicaId, Request } from './messages.js';

/** What becomes of a client's request before it is ordered (TOCS '02 §4.2, DESIGN 3.5). */
export class Requests {
  constructor(
    private readonly core: Core,
    private readonly execution: Execution,
  ) {}

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
    if (!isPrimary(this.core)) return outbox.reject('relayed request at a backup');
    this.onOrdered(request);
  }

  private onOrdered(request: Request): void {
    const { core } = this;
    if (this.execution.answerRemembered(request)) return;
    if (core.queue.has(request)) return;
    if (!isPrimary(core)) {
      if (!core.authentication.verifyRequestMac(request)) return core.outbox.reject('request with a wrong MAC');
      core.outbox.send(core.configuration.primary(core.view), request);
      return;
    }
    // The signature, whatever the MAC says: backups with which the client shares no key will need it.
    if (!core.authentication.verifyRequestSignature(request))
      return core.outbox.reject('request with a wrong signature');
    if (core.queue.add(request) === 'full') core.outbox.reject('too many requests of one client');
  }
}
