/**
 * From sums of the processes to figures of one operation. Wall time is that of one request at the mount; what replicas do
 * in it is what one of them does, the mean of all, since they work at the same time. CPU time is added up over processes.
 */
import {
  CALLS,
  type CallFigures,
  FROM_MEMORY,
  LINKS,
  ORDERING,
  type ProcessFigures,
  type ReplicaFigures,
} from '../../src/profiling/figures.js';
import { noTime, PARTS, type Times } from '../../src/profiling/stopwatch.js';
import { round } from '../statistics.js';
import { type ClusterFigures, sumOf } from './collect.js';

/** Microseconds, which add up to `meanUs`. */
export interface RequestProfile {
  /** As the service names the operation; with `FROM_MEMORY` or `BEHIND`. */
  kind: string;
  count: number;
  /** Wall time of one. */
  meanUs: number;
  parts: Times;
  /** Sent by all processes for one. */
  messages: number;
  bytes: number;
}

/** CPU, microseconds; `rest` is what is between the sections that are measured: event loop, system calls of sockets, collection. */
export type CpuTimes = Times & { rest: number };

export interface OperationProfile {
  /** Of the service. */
  kind: string;
  /** Of the replicas' mean: executed in their agreed order, and as read-only requests. */
  ordered: number;
  readOnly: number;
  /** Of one operation: of all replicas together, of the primary, of one backup. */
  replicas: CpuTimes;
  primary: CpuTimes;
  /** Absent where there is none. */
  backup?: CpuTimes;
}

export interface Profile {
  /** Operations that were ordered, by the replicas' mean. */
  orderedOperations: number;
  /** Calls of the service, those included. */
  calls: number;
  requests: RequestProfile[];
  operations: OperationProfile[];
  /** CPU of one ordered operation (where there was none, of one call): of the mount or client, and of replicas by role. */
  processes: { name: 'client' | 'replicas' | 'primary' | 'backup'; cpuUs: number; parts: CpuTimes }[];
  /** Sent among the replicas for one ordered operation, and between them and the client for one call. */
  traffic: { amongReplicas: Traffic; withClient: Traffic };
}

interface Traffic {
  messages: number;
  bytes: number;
}

/** No request waited for it. */
export const BEHIND = ', in the background';

const AT_REPLICAS = ['agreement', 'execution', 'hashing', 'journal'] as const;

const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
const total = (counts: Record<string, number>): number => sum(Object.values(counts));
const per = (value: number, count: number): number => (count > 0 ? value / count : 0);
const times = ({ times: byKind }: ProcessFigures, kind: string): Times => byKind[kind] ?? noTime();

const scaled = (parts: Times, factor: number): Times =>
  Object.fromEntries(PARTS.map((part) => [part, parts[part] * factor])) as Times;

const added = (all: readonly Times[]): Times =>
  Object.fromEntries(PARTS.map((part) => [part, sum(all.map((each) => each[part]))])) as Times;

/** @param synced every vote waits for the disk */
export function profileOf(figures: ClusterFigures, synced: boolean): Profile {
  const { client, replicas } = figures;
  const orderedOperations = sum(replicas.map(({ executed }) => total(executed))) / replicas.length;
  const calls = sum(Object.values(client.calls).map(({ count }) => count));
  const traffic = trafficOf(figures, orderedOperations, calls);
  const one = oneCall(figures, synced);
  const background = Object.entries(client.background ?? (client.requests === undefined ? client.calls : {}));
  const requests = [
    ...Object.entries(client.requests ?? {}).map(([kind, request]) => {
      const made = Object.entries(request.calls).map(([op, count]) => ({ op, count: count / request.count }));
      const wall = { wallMs: request.wallMs, kernelMs: request.kernelMs, waitMs: request.waitMs };
      return requestProfile(kind, request.count, wall, made);
    }),
    ...background.map(([op, { count, ms }]) => {
      const wall = { wallMs: ms, kernelMs: 0, waitMs: ms };
      return requestProfile(client.requests === undefined ? op : `${op}${BEHIND}`, count, wall, [{ op, count: 1 }]);
    }),
  ];
  return {
    orderedOperations: Math.round(orderedOperations),
    calls,
    requests: requests.filter(({ count }) => count > 0).sort((a, b) => b.count * b.meanUs - a.count * a.meanUs),
    operations: operationProfiles(replicas),
    processes: processProfiles(figures, orderedOperations > 0 ? orderedOperations : calls),
    traffic,
  };

  function requestProfile(
    kind: string,
    count: number,
    { wallMs, kernelMs, waitMs }: { wallMs: number; kernelMs: number; waitMs: number },
    made: readonly { op: string; count: number }[],
  ): RequestProfile {
    const wait = per(waitMs, count);
    const worked = added(made.map(({ op, count: n }) => scaled(one(op), n)));
    const work = sum(Object.values(worked));
    // Calls that are under way together take less time than one after the other.
    const parts = scaled(worked, work > wait ? per(wait, work) : 1);
    parts.network = Math.max(0, wait - work);
    parts.kernel = per(kernelMs, count);
    parts.client += Math.max(0, per(wallMs - kernelMs - waitMs, count));
    const asked = kind.endsWith(FROM_MEMORY) ? [] : made;
    const n = sum(asked.map((each) => each.count));
    const ordered = sum(asked.map((each) => each.count * orderedShare(client.calls[each.op])));
    const { amongReplicas, withClient } = traffic;
    return {
      kind,
      count,
      meanUs: round(per(wallMs, count) * 1000, 1),
      parts: inMicroseconds(parts),
      messages: round(ordered * amongReplicas.messages + n * withClient.messages, 2),
      bytes: round(ordered * amongReplicas.bytes + n * withClient.bytes, 0),
    };
  }
}

/** Where each kind of operation was measured alone, and is known by a label. @param byLabel at least one */
export function profileByLabel(byLabel: readonly (readonly [string, ClusterFigures])[], synced: boolean): Profile {
  const each = byLabel.map(([kind, figures]) => ({ kind, profile: profileOf(figures, synced) }));
  const all = byLabel.map(([, figures]) => figures).reduce(sumOf);
  return {
    ...profileOf(all, synced),
    requests: each.flatMap(({ kind, profile }) => profile.requests.map((request) => ({ ...request, kind }))),
    operations: each.flatMap(({ kind, profile }) => profile.operations.map((operation) => ({ ...operation, kind }))),
  };
}

const inMicroseconds = (parts: Times): Times =>
  Object.fromEntries(PARTS.map((part) => [part, round(parts[part] * 1000, 1)])) as Times;

const orderedShare = (calls: CallFigures | undefined): number =>
  calls === undefined ? 0 : per(calls.ordered, calls.count);

/** What one call costs its client, and one replica, the mean of all: milliseconds by the clock. */
function oneCall({ client, replicas }: ClusterFigures, synced: boolean): (op: string) => Times {
  const ordered = sum(replicas.map(({ executed }) => total(executed)));
  const forOrdering = scaled(added(replicas.map((each) => times(each, ORDERING))), per(1, ordered));
  const flushMs = per(
    sum(replicas.map(({ flushes }) => flushes.ms)),
    sum(replicas.map(({ flushes }) => flushes.count)),
  );
  const calls = sum(Object.values(client.calls).map(({ count }) => count));
  const ofClient = per(times(client, CALLS).client, calls);
  return (op) => {
    const own = added(replicas.map((each) => times(each, op)));
    const count = sum(replicas.map(({ executed, queried }) => (executed[op] ?? 0) + (queried[op] ?? 0)));
    const share = orderedShare(client.calls[op]);
    const parts = noTime();
    for (const part of AT_REPLICAS) parts[part] = per(own[part], count) + share * forOrdering[part];
    parts.client = ofClient;
    // The reply waits for it.
    if (op === 'fsync' || (synced && share > 0)) parts.journal += flushMs;
    return parts;
  };
}

/** At one replica. */
interface Load {
  /** From its clock to its CPU: the CPU of the process is shared out in proportion to the clock. */
  cpu: number;
  /** CPU between the sections, milliseconds. */
  rest: number;
  ordered: number;
  queried: number;
  /** Of its messages, those of read-only requests: each is one in and one out. */
  readShare: number;
}

function loadOf(replica: ReplicaFigures): Load {
  const measured = sum(Object.values(replica.times).flatMap((each) => Object.values(each)));
  const active = Math.max(replica.activeMs, measured);
  const cpu = per(replica.cpuMs, active);
  const queried = total(replica.queried);
  const messages = replica.sent.messages + replica.received.messages;
  return {
    ...{ cpu, rest: (active - measured) * cpu, ordered: total(replica.executed), queried },
    readShare: Math.min(1, per(2 * queried, messages)),
  };
}

/** CPU of one operation at one replica, microseconds. */
function cpuOf(replica: ReplicaFigures, op: string): CpuTimes {
  const { cpu, rest, ordered, queried, readShare } = loadOf(replica);
  const [executions, queries] = [replica.executed[op] ?? 0, replica.queried[op] ?? 0];
  const count = executions + queries;
  // What serves messages is shared out by messages, what serves ordering by ordered operations.
  const links = per(executions * (1 - readShare), ordered) + per(queries * readShare, queried);
  const share = added([
    times(replica, op),
    scaled(times(replica, ORDERING), per(executions, ordered)),
    scaled(times(replica, LINKS), links),
  ]);
  return { ...inMicroseconds(scaled(share, per(cpu, count))), rest: round(per(rest * links, count) * 1000, 1) };
}

const CPU_PARTS = [...PARTS, 'rest'] as const;

function combinedCpu(all: readonly CpuTimes[], divisor = 1): CpuTimes {
  const entries = CPU_PARTS.map((part) => [part, round(sum(all.map((each) => each[part])) / divisor, 1)]);
  return Object.fromEntries(entries) as CpuTimes;
}

const primaryOf = (replicas: readonly ReplicaFigures[]): number =>
  Math.max(...replicas.map(({ view }) => view)) % replicas.length;

function operationProfiles(replicas: readonly ReplicaFigures[]): OperationProfile[] {
  const names = new Set(
    replicas.flatMap(({ executed, queried }) => [...Object.keys(executed), ...Object.keys(queried)]),
  );
  const primary = primaryOf(replicas);
  const mean = (counts: (replica: ReplicaFigures) => number | undefined): number =>
    Math.round(sum(replicas.map((each) => counts(each) ?? 0)) / replicas.length);
  return [...names]
    .map((kind): OperationProfile => {
      const all = replicas.map((replica) => cpuOf(replica, kind));
      const backups = all.filter((_, id) => id !== primary);
      return {
        kind,
        ordered: mean(({ executed }) => executed[kind]),
        readOnly: mean(({ queried }) => queried[kind]),
        replicas: combinedCpu(all),
        primary: all[primary],
        ...(backups.length === 0 ? {} : { backup: combinedCpu(backups, backups.length) }),
      };
    })
    .filter(({ ordered, readOnly }) => ordered + readOnly > 0)
    .sort((a, b) => b.ordered + b.readOnly - (a.ordered + a.readOnly));
}

function processProfiles({ client, replicas }: ClusterFigures, operations: number): Profile['processes'] {
  const cpuOfProcess = (figures: ProcessFigures): CpuTimes => {
    const parts = added(Object.values(figures.times));
    const measured = sum(Object.values(parts));
    const active = Math.max(figures.activeMs, measured);
    const cpu = per(figures.cpuMs, active);
    return {
      ...inMicroseconds(scaled(parts, per(cpu, operations))),
      rest: round(per((active - measured) * cpu, operations) * 1000, 1),
    };
  };
  const profile = (name: Profile['processes'][number]['name'], parts: CpuTimes) => ({
    ...{ name, parts },
    cpuUs: round(sum(Object.values(parts)), 1),
  });
  const all = replicas.map(cpuOfProcess);
  const primary = primaryOf(replicas);
  const backups = all.filter((_, id) => id !== primary);
  return [
    profile('client', cpuOfProcess(client)),
    profile('replicas', combinedCpu(all)),
    profile('primary', all[primary]),
    ...(backups.length === 0 ? [] : [profile('backup', combinedCpu(backups, backups.length))]),
  ];
}

/** Who has sent what is known: what the client got, it got from replicas. */
function trafficOf({ client, replicas }: ClusterFigures, ordered: number, calls: number): Profile['traffic'] {
  const figures = (of: (counts: Traffic) => number, count: (value: number) => number) => {
    const sent = sum(replicas.map((each) => of(each.sent)));
    const got = of(client.received);
    return {
      among: count(per(Math.max(0, sent - got), ordered)),
      withClient: count(per(of(client.sent) + got, calls)),
    };
  };
  const messages = figures(
    (each) => each.messages,
    (value) => round(value, 2),
  );
  const bytes = figures(
    (each) => each.bytes,
    (value) => round(value, 0),
  );
  return {
    amongReplicas: { messages: messages.among, bytes: bytes.among },
    withClient: { messages: messages.withClient, bytes: bytes.withClient },
  };
}
