import { Limits } from '../limits.js';
import { digestKey } from './digests.js';
import type { Batch, Digest, ProposedBatch, Request } from './messages.js';

/** A body that has not been ordered by then is dropped; its client, if it is correct, has sent it again. */
const KEPT_MS = 10_000;

/**
 * Whether clients send a request to all replicas themselves, for its pre-prepare to name it by its digest only: the
 * primary need not send it three times over (OSDI '99 §4.4, TOCS '02 §5.1.5).
 */
export const isLarge = (request: Request): boolean => request.body.length > Limits.inlineRequestBytes;

/**
 * Large requests that reached this backup from their clients, authentic, until they are executed. Nobody waits for them
 * here: a client that does asks again, and then they are queued. Bounded for each client (trap 17).
 */
export class Bodies {
  /** In the order they came. */
  private readonly held = new Map<string, { request: Request; since: number }>();
  private readonly clients = new Map<number, { requests: number; bytes: number }>();

  /** False if there is no room for more of that client. @param now in ms */
  hold(request: Request, now: number): boolean {
    const { client } = request.session;
    const { requests, bytes } = this.clients.get(client) ?? { requests: 0, bytes: 0 };
    const full =
      requests >= Limits.pendingRequestsPerClient || bytes + request.body.length > Limits.pendingBytesPerClient;
    if (full || this.has(request)) return false;
    this.held.set(digestKey(request.digest), { request, since: now });
    this.clients.set(client, { requests: requests + 1, bytes: bytes + request.body.length });
    return true;
  }

  has(request: Request): boolean {
    return this.held.has(digestKey(request.digest));
  }

  find(digest: Digest): Request | undefined {
    return this.held.get(digestKey(digest))?.request;
  }

  remove({ digest }: Request): void {
    const key = digestKey(digest);
    const request = this.held.get(key)?.request;
    if (request === undefined) return;
    this.held.delete(key);
    const { client } = request.session;
    const account = this.clients.get(client)!;
    account.requests--;
    account.bytes -= request.body.length;
    if (account.requests === 0) this.clients.delete(client);
  }

  dropOld(now: number): void {
    for (const { request, since } of this.held.values()) {
      if (now - since < KEPT_MS) return;
      this.remove(request);
    }
  }

  /** Number of requests held. */
  get size(): number {
    return this.held.size;
  }
}

/** The same batch with its large requests named only. @param named which of the requests */
export function withNames(batch: Batch, named: (request: Request) => boolean): ProposedBatch {
  if (!batch.requests.some(named)) return batch;
  const requests = batch.requests.map((each) =>
    named(each) ? ({ kind: 'name', digest: each.digest } as const) : each,
  );
  return { ...batch, requests };
}

/** Whether nothing in it is only named. */
export const isWhole = (batch: ProposedBatch): batch is Batch => batch.requests.every(({ kind }) => kind === 'request');

/**
 * The batch with all that it names found; undefined if something is missing, or if it is more than a primary may
 * propose: it could not be handed on in one frame.
 */
export function completed(batch: ProposedBatch, find: (digest: Digest) => Request | undefined): Batch | undefined {
  if (isWhole(batch)) return batch;
  const requests: Request[] = [];
  let bytes = 0;
  for (const each of batch.requests) {
    const request = each.kind === 'request' ? each : find(each.digest);
    if (request === undefined) return undefined;
    requests.push(request);
    bytes += request.body.length;
  }
  return bytes > Limits.batchBytes + Limits.requestBytes ? undefined : { ...batch, requests };
}
