import { Limits } from '../limits.js';
import { digestKey } from './digests.js';
import type { Request } from './messages.js';

interface ClientQueue {
  requests: Request[];
  bytes: number;
}

/**
 * Requests the primary has yet to propose: first come, first served within a client, one each in turn among
 * clients, so that none is starved; bounded for each client (trap 17).
 */
export class RequestQueue {
  private readonly clients = new Map<number, ClientQueue>();
  /** Digests of requests queued or proposed and not yet executed: retransmissions are not proposed twice. */
  private readonly known = new Set<string>();

  /** False if it is queued already, or its client has too many waiting. */
  add(request: Request): 'queued' | 'duplicate' | 'full' {
    const key = digestKey(request.digest);
    if (this.known.has(key)) return 'duplicate';
    let queue = this.clients.get(request.session.client);
    if (queue === undefined) {
      queue = { requests: [], bytes: 0 };
      this.clients.set(request.session.client, queue);
    }
    if (queue.requests.length >= Limits.pendingRequestsPerClient) return 'full';
    if (queue.bytes + request.body.length > Limits.pendingBytesPerClient) return 'full';
    queue.requests.push(request);
    queue.bytes += request.body.length;
    this.known.add(key);
    return 'queued';
  }

  has(request: Request): boolean {
    return this.known.has(digestKey(request.digest));
  }

  get empty(): boolean {
    return this.clients.size === 0;
  }

  /** Takes the next batch's requests, one from each client in turn, up to the limits of a batch. */
  takeBatch(): Request[] {
    const batch: Request[] = [];
    let bytes = 0;
    while (this.clients.size > 0) {
      for (const [client, queue] of this.clients) {
        const request = queue.requests[0];
        const full = batch.length >= Limits.batchRequests || bytes + request.body.length > Limits.batchBytes;
        if (full && batch.length > 0) return batch;
        queue.requests.shift();
        queue.bytes -= request.body.length;
        batch.push(request);
        bytes += request.body.length;
        // To the end of the line: insertion order of the map is the order of turns.
        this.clients.delete(client);
        if (queue.requests.length > 0) this.clients.set(client, queue);
      }
    }
    return batch;
  }

  /** The request was executed, in whatever batch: a retransmission is answered from the reply cache now. */
  executed(request: Request): void {
    this.known.delete(digestKey(request.digest));
  }
}
