import { digestKey } from '../../src/pbft/digests.js';
import type {
  OrderedBatch,
  ReplicaMessage,
  Reply,
  Request,
  RequestName,
  StartReport,
  ViewChange,
} from '../../src/pbft/messages.js';

interface Line {
  at: number;
  who: string;
  what: string;
  message: ReplicaMessage | Reply | undefined;
}

const LINES_KEPT = 600;

/** What happened last, to be read next to the paper; formatted only when it is read. */
export class Transcript {
  private readonly lines: Line[] = [];
  private next = 0;

  /** @param live prints each line as it comes */
  constructor(private readonly live: boolean) {}

  message(at: number, from: string, to: string, message: ReplicaMessage | Reply): void {
    this.add({ at, who: from, what: `→ ${to}`, message });
  }

  event(at: number, who: string, what: string): void {
    this.add({ at, who, what, message: undefined });
  }

  private add(line: Line): void {
    if (this.live) process.stdout.write(`${format(line)}\n`);
    this.lines[this.next] = line;
    this.next = (this.next + 1) % LINES_KEPT;
  }

  toString(): string {
    return [...this.lines.slice(this.next), ...this.lines.slice(0, this.next)].map(format).join('\n');
  }
}

function format({ at, who, what, message }: Line): string {
  const time = at.toFixed(2).padStart(10);
  return message === undefined
    ? `${time}  ${who} ${what}`
    : `${time}  ${who} ${what}  ${message.kind} ${describe(message)}`;
}

const short = (digest: Uint8Array): string => Buffer.from(digestKey(digest), 'latin1').toString('hex').slice(0, 6);

const describeRequest = ({ session, readOnly, calls }: Request): string => {
  const what = calls.map(({ slot, sequence, operation }) => `${slot}.${sequence} ${printable(operation)}`);
  return `c${session.client}/${session.instance}${readOnly ? ' read-only' : ''} [${what.join('; ')}]`;
};

const describeProposed = (request: Request | RequestName): string =>
  request.kind === 'name' ? `named ${short(request.digest)}` : describeRequest(request);

const printable = (bytes: Uint8Array): string =>
  Buffer.from(bytes)
    .toString('latin1')
    .replace(/[^ -~]/g, '.');

const batches = (ordered: readonly OrderedBatch[]): string =>
  ordered.map(({ sequence, view, digest }) => `${sequence}:v${view}:${short(digest)}`).join(' ');

const describeViewChange = ({ replica, certificate, prepared, prePrepared }: ViewChange): string =>
  `r${replica} h=${certificate?.sequence ?? 0} P{${batches(prepared)}} Q{${batches(prePrepared)}}`;

const describeReport = ({ replica, certificate, flushed, checkpoints, ordered }: StartReport): string =>
  `report of r${replica}: stable ${certificate?.sequence ?? 0}, flushed ${flushed?.sequence ?? 0}, checkpoints [${checkpoints
    .map(({ sequence }) => sequence)
    .join(' ')}], batches ${ordered.length === 0 ? 'none' : `${ordered[0].sequence} to ${ordered.at(-1)!.sequence}`}`;

function describe(message: ReplicaMessage | Reply): string {
  switch (message.kind) {
    case 'request':
      return describeRequest(message);
    case 'pre-prepare': {
      const { view, sequence, batch } = message;
      const contents = [...batch.requests.map(describeProposed), ...(batch.reports ?? []).map(describeReport)];
      return `v${view} n${sequence} ${short(batch.digest)} {${contents.join(', ')}}`;
    }
    case 'prepare':
    case 'commit':
      return `v${message.view} n${message.sequence} ${short(message.digest)}`;
    case 'checkpoint':
      return `n${message.sequence} of r${message.replica} ${short(message.stateDigest)}`;
    case 'forgotten':
      return `in ${message.incarnation}, life ${message.life}, heard ${message.heard.join(' ')}`;
    case 'new-incarnation': {
      const { incarnation, forgotten, report } = message;
      const claims = forgotten.map(({ replica }) => `r${replica}`).join(' ');
      return `${incarnation} since [${claims}] forgot${report ? `; ${describeReport(report)}` : ''}`;
    }
    case 'status': {
      const { view, active, lastStable, lastExecuted, missing } = message;
      const lacking = missing.map(
        ({ sequence, batch, prepared }) => `${sequence}${batch ? 'b' : ''}${prepared ? 'p' : ''}`,
      );
      return `v${view}${active ? '' : ' waiting'} h=${lastStable} executed=${lastExecuted} missing=[${lacking.join(' ')}]`;
    }
    case 'committed':
    case 'fetch-batch':
      return `n${message.sequence} ${short(message.digest)}`;
    case 'batch-data':
      return `n${message.sequence} ${short(message.batch.digest)}`;
    case 'view-change':
      return `v${message.view} ${describeViewChange(message)}`;
    case 'new-view':
      return `v${message.view} of ${message.viewChanges.map(describeViewChange).join(' | ')}`;
    case 'fetch-state':
      return `#${message.number} ${printable(message.query)}`;
    case 'state-data':
      return `#${message.number} ${message.answer === undefined ? 'cannot' : `${message.answer.length} bytes`}`;
    case 'reply': {
      const { view, tentative, slot, sequence, status, result } = message;
      const said = result === undefined ? 'digest' : printable(result);
      return `v${view}${tentative ? ' tentative' : ''} ${slot}.${sequence} status ${status}: ${said}`;
    }
    default:
      return '';
  }
}
