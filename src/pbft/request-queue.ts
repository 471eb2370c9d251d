import { Limits } from '../limits.js';
import { digestKey } from './digests.js';
import type { Digest, Request } from './messages.js';

/** A request received and not yet executed. */
export interface Waiting {
  readonly key: string;
  readonly request: Request;
  /** Its signature was found right. */
  verified: boolean;
  /** It is in a batch of the current view. */
  proposed: boolean;
}

interface ClientQueue {
  /** In the order they came. */
  waiting: Map<string, Waiting>;
  /** Those of them that are not in a batch yet, and some that were dropped since. */
  unproposed: Waiting[];
  bytes: number;
}

/**
 * The requests a replica waits for: a primary to propose them, a backup to see them executed. First come, first served
 * within a client, one each in turn among clients, so that none is starved; bounded for each client (trap 17).
 */
export class RequestQueue {
  /** In order of their turns. */
  private readonly clients = new Map<number, ClientQueue>();
  private unproposed = 0;

  /** Refuses what is queued already, and what is too much of one client. */
  add(request: Request, verified: boolean): 'queued' | 'duplicate' | 'full' {
    const key = digestKey(request.digest);
    let queue = this.clients.get(request.session.client);
    if (queue === undefined) {
      queue = { waiting: new Map(), unproposed: [], bytes: 0 };
      this.clients.set(request.session.client, queue);
    }
    if (queue.waiting.has(key)) return 'duplicate';
    if (queue.waiting.size >= Limits.pendingRequestsPerClient) return 'full';
    if (queue.bytes + request.body.length > Limits.pendingBytesPerClient) return 'full';
    const waiting = { key, request, verified, proposed: false };
    queue.waiting.set(key, waiting);
    queue.unproposed.push(waiting);
    queue.bytes += request.body.length;
    this.unproposed++;
    return 'queued';
  }

  has(request: Request): boolean {
    return this.clients.get(request.session.client)?.waiting.has(digestKey(request.digest)) ?? false;
  }

  /** What waits under that digest, whoever's it is. */
  find(digest: Digest): Request | undefined {
    const key = digestKey(digest);
    for (const { waiting } of this.clients.values()) {
      const found = waiting.get(key);
      if (found !== undefined) return found.request;
    }
    return undefined;
  }

  /** Whether nothing is left to be proposed. */
  get empty(): boolean {
    return this.unproposed === 0;
  }

  /** All that wait, client by client. */
  *all(): Generator<Waiting> {
    for (const queue of this.clients.values()) yield* queue.waiting.values();
  }

  /** What the client has waited for longest. */
  oldest(client: number): Waiting | undefined {
    return this.clients.get(client)?.waiting.values().next().value;
  }

  /** The client with something waiting whose number follows `client`, round and round. */
  clientAfter(client: number): number | undefined {
    let next: number | undefined;
    let first: number | undefined;
    for (const [each, queue] of this.clients) {
      if (queue.waiting.size === 0) continue;
      if (first === undefined || each < first) first = each;
      if (each > client && (next === undefined || each < next)) next = each;
    }
    return next ?? first;
  }

  /** Takes the next batch's requests, one from each client in turn, up to so many, and to the bytes of a batch. */
  takeBatch(most: number = Limits.batchRequests): Request[] {
    const batch: Request[] = [];
    let bytes = 0;
    while (this.unproposed > 0) {
      for (const [client, queue] of [...this.clients]) {
        const waiting = this.nextOf(queue);
        if (waiting === undefined) continue;
        const { request } = waiting;
        const full = batch.length >= most || bytes + request.body.length > Limits.batchBytes;
        if (full && batch.length > 0) return batch;
        queue.unproposed.shift();
        this.propose(waiting);
        batch.push(request);
        bytes += request.body.length;
        // To the end of the line: insertion order of the map is the order of turns.
        this.clients.delete(client);
        this.clients.set(client, queue);
      }
    }
    return batch;
  }

  private nextOf(queue: ClientQueue): Waiting | undefined {
    while (queue.unproposed.length > 0) {
      const next = queue.unproposed[0];
      if (!next.proposed && queue.waiting.get(next.key) === next) return next;
      queue.unproposed.shift();
    }
    return undefined;
  }

  private propose(waiting: Waiting): void {
    if (waiting.proposed) return;
    waiting.proposed = true;
    this.unproposed--;
  }

  /** The request is in a batch that the new view re-proposes. */
  reproposed(request: Request): void {
    const waiting = this.clients.get(request.session.client)?.waiting.get(digestKey(request.digest));
    if (waiting !== undefined) this.propose(waiting);
  }

  /** A view has ended, and with it what it proposed: all that waits is to be proposed. */
  viewEnded(): void {
    this.unproposed = 0;
    for (const queue of this.clients.values()) {
      queue.unproposed = [...queue.waiting.values()];
      for (const waiting of queue.unproposed) waiting.proposed = false;
      this.unproposed += queue.unproposed.length;
    }
  }

  /** The request was executed, in whatever batch, or never will be: nobody waits for it here. */
  remove(request: Request): void {
    const { client } = request.session;
    const queue = this.clients.get(client);
    if (queue === undefined) return;
    const key = digestKey(request.digest);
    const waiting = queue.waiting.get(key);
    if (waiting === undefined) return;
    queue.waiting.delete(key);
    queue.bytes -= request.body.length;
    this.propose(waiting);
    if (queue.waiting.size === 0) this.clients.delete(client);
  }
}
