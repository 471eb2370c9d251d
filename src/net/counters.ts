/** What passed over the links of an endpoint, and what was refused and why: plain numbers, for status and logs. */
export interface NetCounters {
  sent: { frames: number; messages: number; bytes: number };
  received: { frames: number; messages: number; bytes: number };
  /** Messages of authenticated peers that were dropped, by WireErrorCode or `unexpected-message`. */
  droppedMessages: Record<string, number>;
  /** Connections that did not become links, by HandshakeFault. */
  refusedConnections: Record<string, number>;
  /** Links that ended, by LinkEndReason. */
  closedLinks: Record<string, number>;
  /** Changes of session keys. */
  rekeys: number;
}

export function newCounters(): NetCounters {
  return {
    sent: { frames: 0, messages: 0, bytes: 0 },
    received: { frames: 0, messages: 0, bytes: 0 },
    droppedMessages: {},
    refusedConnections: {},
    closedLinks: {},
    rekeys: 0,
  };
}

/** `reason` is one of our own codes, never a peer's text. */
export function count(counts: Record<string, number>, reason: string): void {
  counts[reason] = (counts[reason] ?? 0) + 1;
}
