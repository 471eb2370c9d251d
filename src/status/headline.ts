import type { ClusterStatus } from './verdicts.js';

export interface Headline {
  /** `bad`: somebody must act now; `doubtful`: somebody should look. */
  level: 'well' | 'doubtful' | 'bad';
  text: string;
}

/** How a cluster is, in a sentence. */
export function headline({ f, view, primary, quorum, replicas }: ClusterStatus): Headline {
  const n = replicas.length;
  const silent = replicas.filter(({ up }) => !up).map(({ id }) => id);
  const suspected = replicas.filter((each) => each.suspected !== null).map(({ id }) => id);
  const amiss = [
    ...(suspected.length > 0 ? [`replica ${suspected.join(', ')} suspected`] : []),
    ...(silent.length > 0 ? [`replica ${silent.join(', ')} does not answer`] : []),
  ].join('; ');
  const needed = `${2 * f + 1} of ${n} replicas in one view are needed`;
  if (suspected.length > f) return { level: 'bad', text: `More than f = ${f} replicas seem faulty: ${amiss}` };
  if (!quorum) return { level: 'bad', text: `No quorum: ${needed}${amiss === '' ? '' : `; ${amiss}`}` };
  const works = `view ${view}, replica ${primary} is primary`;
  if (amiss !== '') return { level: 'doubtful', text: `Calls are answered: ${works}; but ${amiss}` };
  const other = replicas.filter(({ state }) => state !== 'normal').map(({ id, state }) => `replica ${id}: ${state}`);
  if (other.length > 0) return { level: 'doubtful', text: `Calls are answered: ${works}; ${other.join(', ')}` };
  return { level: 'well', text: `All ${n} replicas are well: ${works}` };
}
