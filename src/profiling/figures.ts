/** What profiled processes tell of themselves: sums since their start, of which the difference between two moments counts. */
import { performance } from 'node:perf_hooks';
import type { NetCounters } from '../net/counters.js';
import type { Stopwatch, Times } from './stopwatch.js';

/** The environment variable that has replicas and mounts offer figures in the directory that it names. */
export const PROFILE_VARIABLE = 'BYZFS_PROFILE';

export const replicaOutlet = (id: number): string => `replica-${id}`;
export const MOUNT_OUTLET = 'mount';

/** At a replica: of sections that serve the ordering of operations, whichever they are, … */
export const ORDERING = 'ordering';
/** … and those that serve messages, whatever they say. */
export const LINKS = 'links';

/** At a client: of sections that serve calls, whichever they are. */
export const CALLS = 'calls';

type Traffic = Pick<NetCounters['sent'], 'messages' | 'bytes'>;

export interface ProcessFigures {
  /** CPU time of all its threads, milliseconds. */
  cpuMs: number;
  /** When its event loop was not waiting, by the clock: the sections, as far as they count, and what is between them. */
  activeMs: number;
  /** Milliseconds by the clock, by kind of operation and part. */
  times: Record<string, Times>;
  sent: Traffic;
  received: Traffic;
}

export interface ReplicaFigures extends ProcessFigures {
  view: number;
  /** Operations by name: executed in their agreed order, and on read-only requests. */
  executed: Record<string, number>;
  queried: Record<string, number>;
  /** Of the journal to its disk, and how long they took in all. */
  flushes: { count: number; ms: number };
}

/** Calls of the service by one client. */
export interface CallFigures {
  count: number;
  /** Of them, those that were to be ordered. */
  ordered: number;
  /** From call to result. */
  ms: number;
}

export interface ClientFigures extends ProcessFigures {
  /** By name of the operation. */
  calls: Record<string, CallFigures>;
}

/** Requests of the kernel. */
export interface RequestFigures {
  count: number;
  /** From the request read to the answer written. */
  wallMs: number;
  /** Of it: decoding, encoding and writing. */
  kernelMs: number;
  /** Of it: while it was unanswered and calls of the service were. */
  waitMs: number;
  /** Of the service, that it made and waited for, by name of the operation. */
  calls: Record<string, number>;
}

export interface MountFigures extends ClientFigures {
  /** By name; those that were answered without a call of the service have `FROM_MEMORY` behind theirs. */
  requests: Record<string, RequestFigures>;
  /** Calls of the service that no request waited for. */
  background: Record<string, CallFigures>;
}

export const FROM_MEMORY = ', from memory';

export function processFigures(stopwatch: Stopwatch, { sent, received }: NetCounters): ProcessFigures {
  const { user, system } = process.cpuUsage();
  return {
    cpuMs: (user + system) / 1000,
    activeMs: performance.eventLoopUtilization().active - stopwatch.lostMs,
    times: stopwatch.totals(),
    sent: { messages: sent.messages, bytes: sent.bytes },
    received: { messages: received.messages, bytes: received.bytes },
  };
}

/** Figures are numbers, and records of figures. */
export type Figures = { [name: string]: number | Figures };

/** Number by number; what one of them does not have is 0 there. */
function combined(a: Figures, b: Figures, of: (x: number, y: number) => number): Figures {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return Object.fromEntries(
    [...names].map((name) => {
      const [x, y] = [a[name], b[name]];
      if (typeof x === 'object' || typeof y === 'object')
        return [name, combined((x ?? {}) as Figures, (y ?? {}) as Figures, of)];
      return [name, of(x ?? 0, y ?? 0)];
    }),
  );
}

export const plus = <T extends object>(a: T, b: T): T => combined(a as Figures, b as Figures, (x, y) => x + y) as T;
export const minus = <T extends object>(a: T, b: T): T => combined(a as Figures, b as Figures, (x, y) => x - y) as T;
