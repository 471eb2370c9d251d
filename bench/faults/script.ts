/** What happens to a cluster while it is used: one fault after the other, each over before the next. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Replicas } from './replicas.js';
import type { Happening } from './timeline.js';

export interface Stage {
  replicas: Pick<Replicas, 'n' | 'kill' | 'start' | 'startWithoutDisk' | 'startLiar' | 'primary' | 'allNormal'>;
  /** Of the workload. */
  now(): number;
  /** Between two events. */
  pauseMs: number;
  signal: AbortSignal;
  step(what: string): void;
}

export const FAULTS = ['backup', 'primary', 'liar', 'rejoin'] as const;

export type Fault = (typeof FAULTS)[number];

/** @returns what has happened, in order. A replica that was away is awaited before the next fault. */
export async function playFaults(faults: readonly Fault[], stage: Stage): Promise<Happening[]> {
  const { replicas, now, pauseMs, signal, step } = stage;
  const happened: Happening[] = [];
  const pause = () => delay(pauseMs, undefined, { signal });
  const event = async (name: string, action: () => void | Promise<void>) => {
    happened.push({ atMs: now(), name });
    await action();
    step(name);
  };
  const backup = async () => ((await replicas.primary()) + 1 + (replicas.n > 2 ? 1 : 0)) % replicas.n;

  const scenes: Record<Fault, () => Promise<void>> = {
    backup: async () => {
      const id = await backup();
      await event('a backup is killed', () => replicas.kill(id));
      await pause();
      await event('it is started again', () => replicas.start(id));
    },
    primary: async () => {
      const id = await replicas.primary();
      await event('the primary is killed', () => replicas.kill(id));
      await pause();
      await event('it is started again', () => replicas.start(id));
    },
    liar: async () => {
      const id = await backup();
      replicas.kill(id);
      await event('a replica lies', () => replicas.startLiar(id));
      await pause();
      replicas.kill(id);
      await event('it is honest again', () => replicas.start(id));
    },
    rejoin: async () => {
      const id = await backup();
      await event('a replica loses its disk', () => replicas.kill(id));
      await pause();
      await event('it rejoins with an empty one', () => replicas.startWithoutDisk(id));
    },
  };
  await pause();
  for (const fault of faults) {
    await scenes[fault]();
    await pause();
    await replicas.allNormal(signal);
  }
  return happened;
}
