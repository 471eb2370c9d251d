/// <reference lib="dom" />
/** Shows one look at the cluster: a sentence, a row for each replica, and what is remarkable. */
import { duration, figure } from '../drawing/scales.js';
import { headline } from '../status/headline.js';
import type { Rates } from '../status/rates.js';
import type { ReplicaStatus } from '../status/verdicts.js';
import type { Look } from '../status/watch.js';
import { byId, make, write } from './elements.js';

/** More than that, and calls will soon be refused for it (Limits.clockSkewMs). */
const CLOCK_MS = 30_000;

const shown = (value: number | string | null): string => (value === null ? '–' : String(value));

/** @param clocks by replica: how far its clock is ahead of this browser's, ms; null if not known */
export function showLook(look: Look, clocks: readonly (number | null)[], addresses: readonly string[]): void {
  const { status, agreement, rates } = look;
  const { level, text } = headline(status);
  write('headline', text, level);
  write('view', shown(status.view));
  write('primary', shown(status.primary));
  write('quorum', status.quorum ? 'yes' : 'no');
  write('roots', rootsInWords(look));
  write('looked', new Date().toLocaleTimeString());
  document.title = level === 'well' ? 'byzfs: well' : `byzfs: ${level}`;
  const rows = status.replicas.map((replica) => {
    const { id } = replica;
    const row = make('tr', '', replica.suspected !== null ? 'bad' : replica.up ? '' : 'doubtful');
    row.dataset.replica = String(id);
    const agrees = agreement?.replicas.includes(id) ? ' ✓' : '';
    const cells: [text: string, className: string][] = [
      [`${id}${id === status.primary ? ' primary' : ''}`, 'name'],
      [addresses[id].replace('http://', ''), ''],
      [stateInWords(replica), 'state'],
      [shown(replica.view), 'n'],
      [shown(replica.lastExecuted), 'n'],
      [shown(replica.stableCheckpoint), 'n'],
      [replica.stateRoot ? `${replica.stateRoot.slice(0, 12)}${agrees}` : '–', 'root'],
      [rateInWords(rates[id]), 'n'],
    ];
    row.append(...cells.map(([content, className]) => make('td', content, className)));
    return row;
  });
  byId('replicas').replaceChildren(...rows);
  byId('remarks').replaceChildren(...remarks(look, clocks).map(([text, level]) => make('li', text, level)));
}

function stateInWords({ up, state, transfer, recovery }: ReplicaStatus): string {
  if (!up) return 'does not answer';
  if (state === null) return 'not proven';
  if (transfer !== null) return `${state}: ${transfer.rows} rows, ${transfer.rowsMissing} or more to do`;
  return recovery === null || recovery.phase === 'resting' ? state : `${state}, recovers`;
}

function rateInWords({ callsPerSecond, p50 }: Rates): string {
  if (callsPerSecond === null) return '–';
  return `${figure(callsPerSecond)}/s${p50 === null ? '' : `, ${duration(p50)}`}`;
}

function rootsInWords({ agreement, status: { replicas } }: Look): string {
  if (agreement === null) return 'no checkpoint that f+1 replicas have in common just now';
  const { checkpoint, root, replicas: agreed } = agreement;
  const elsewhere = replicas.filter(({ id, up }) => up && !agreed.includes(id)).length;
  const others = elsewhere === 0 ? '' : `; ${elsewhere} at another checkpoint, or with another root`;
  return `${agreed.length} replicas have ${root.slice(0, 12)} at checkpoint ${checkpoint}${others}`;
}

/** Reasons, then what replicas say of others: their word alone. */
function remarks({ status }: Look, clocks: readonly (number | null)[]): [text: string, level: string][] {
  const found: [string, string][] = [];
  for (const { id, up, suspected } of status.replicas) {
    if (suspected !== null) found.push([`replica ${id}: ${suspected}`, 'bad']);
    else if (!up) found.push([`replica ${id} does not answer`, 'doubtful']);
    const ahead = clocks[id] ?? 0;
    if (Math.abs(ahead) > CLOCK_MS) {
      found.push([
        `replica ${id}: its clock is ${duration(Math.abs(ahead) / 1000)} ${ahead > 0 ? 'ahead' : 'behind'}`,
        'doubtful',
      ]);
    }
  }
  for (const { id, suspicions, scrub } of status.replicas) {
    for (const { replica, why } of suspicions) found.push([`replica ${id} suspects replica ${replica}: ${why}`, '']);
    if (scrub !== null && scrub.damaged > 0) {
      found.push([
        `replica ${id} found ${scrub.damaged} rows altered on its disk, ${scrub.repaired} repaired`,
        'doubtful',
      ]);
    }
  }
  return found;
}
