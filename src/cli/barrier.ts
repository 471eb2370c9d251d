/**
 * Moves an idle cluster to a checkpoint, so that its replicas can be compared: roots are known at stable
 * checkpoints only, and those come every K sequence numbers (TOCS '02 §4.3).
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Limits } from '../limits.js';
import { type ClusterStatus, vouchedFor } from '../status/verdicts.js';
import { CommandError } from './errors.js';

export interface BarrierPorts {
  inspect(): Promise<ClusterStatus>;
  /** Orders one operation that does nothing: one sequence number, if nobody else is busy. */
  orderNull(): Promise<void>;
}

export interface BarrierOptions {
  /** K. */
  checkpointInterval: number;
  timeoutMs: number;
}

const DEFAULTS: BarrierOptions = { checkpointInterval: Limits.checkpointInterval, timeoutMs: 60_000 };

/** How often the reports are looked at, in null operations and in milliseconds. */
const OPERATIONS_A_LOOK = 16;
const LOOK_MS = 50;
/** How much longer a suspected replica is waited for: it may only have been slow. */
const SUSPECTED_MS = 5_000;

/** The highest sequence number that f+1 replicas say they have executed: a lying one cannot raise it. */
const vouchedProgress = ({ replicas, f }: ClusterStatus): number | null =>
  vouchedFor(
    replicas.map((replica) => replica.lastExecuted),
    f,
  );

/** Replicas that answer and are not known to be faulty; one that lies about its progress must not hold up the rest. */
const reachable = (status: ClusterStatus) =>
  status.replicas.filter((r) => r.lastExecuted !== null && r.suspected === null);

/**
 * Orders null operations until every reachable replica's stable checkpoint covers all that was executed at the start,
 * then waits until these replicas report the same one.
 * @throws CommandError if that does not come about in time
 */
export async function barrier(ports: BarrierPorts, options: BarrierOptions = DEFAULTS): Promise<ClusterStatus> {
  const { checkpointInterval, timeoutMs } = options;
  const deadline = Date.now() + timeoutMs;
  const failed = (why: string) =>
    new CommandError(`no barrier after ${timeoutMs / 1000} s: ${why}: byzfs doctor may tell more`);
  let status = await ports.inspect();
  const progress = vouchedProgress(status);
  if (progress === null) throw new CommandError(`no barrier: fewer than f+1 = ${status.f + 1} replicas answer`);

  // A new cluster goes to its first checkpoint: before that there is no root to compare.
  const target = Math.max(progress, 1);
  const passed = () => reachable(status).every((replica) => replica.stableCheckpoint! >= target);
  /** To the checkpoint that covers `target`, and one interval more, since others may fill the batches meanwhile. */
  let allowed = 2 * checkpointInterval;
  while (!passed()) {
    if (Date.now() > deadline) throw failed('some replica that answers lags behind');
    for (let i = 0; i < OPERATIONS_A_LOOK && allowed > 0; i++, allowed--) await ports.orderNull();
    if (allowed === 0) await delay(LOOK_MS);
    status = await ports.inspect();
  }

  const checkpoints = (replicas: ClusterStatus['replicas']) => new Set(replicas.map((r) => r.stableCheckpoint));
  const answering = () => status.replicas.filter((r) => r.lastExecuted !== null);
  const patience = Math.min(Date.now() + SUSPECTED_MS, deadline);
  while (checkpoints(answering()).size > 1 && Date.now() < patience) {
    await delay(LOOK_MS);
    status = await ports.inspect();
  }
  const comparable = () => checkpoints(reachable(status)).size <= 1;
  while (!comparable() && Date.now() < deadline) {
    await delay(LOOK_MS);
    status = await ports.inspect();
  }
  if (!comparable()) throw failed('the replicas are at different checkpoints, as under load');
  return status;
}
