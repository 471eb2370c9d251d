/** State transfer of the simulator's state: its text in parts, each proven by the list of digests that the root is of. */
import { createHash } from 'node:crypto';
import { digestKey } from '../../src/pbft/digests.js';
import type { Digest, Timestamp } from '../../src/pbft/messages.js';
import type { StateTransfer, TransferProgress } from '../../src/pbft/transfer-ports.js';

const PART_CHARACTERS = 512;
/** Calls that an installation takes. */
const INSTALL_STEPS = 3;

export interface Content {
  executed: number;
  clock: Timestamp;
  tokens: readonly string[];
  rows: readonly (readonly [string, unknown])[];
}

/** Equal for equal states. Byte strings in rows are marked, so that they come back as such. */
export function toText(content: Content): string {
  // A Buffer has been asked for a form of its own by the time the value comes here.
  return JSON.stringify(content, function (this: Record<string, unknown>, key, value) {
    const before = this[key];
    return before instanceof Uint8Array ? { bytes: Buffer.from(before).toString('latin1') } : value;
  });
}

export function fromText(text: string): Content {
  return JSON.parse(text, (_key, value) =>
    typeof value?.bytes === 'string' ? Buffer.from(value.bytes, 'latin1') : value,
  );
}

const sha256 = (text: string): Digest => createHash('sha256').update(text, 'utf8').digest();

function partsOf(text: string): string[] {
  const parts: string[] = [];
  for (let at = 0; at < text.length; at += PART_CHARACTERS) parts.push(text.slice(at, at + PART_CHARACTERS));
  return parts;
}

/** The list of the parts' digests, as text. */
const listOf = (text: string): string =>
  partsOf(text)
    .map((part) => Buffer.from(sha256(part)).toString('hex'))
    .join(' ');

export const rootOf = (text: string): Digest => sha256(listOf(text));

/** A query is `SEQUENCE list` or `SEQUENCE INDEX`. */
export function serveFrom(checkpoints: ReadonlyMap<number, string>, query: Uint8Array): Uint8Array | undefined {
  const [sequence, what] = Buffer.from(query).toString().split(' ');
  const text = checkpoints.get(Number(sequence));
  if (text === undefined) return undefined;
  const answer = what === 'list' ? listOf(text) : partsOf(text)[Number(what)];
  return answer === undefined ? undefined : Buffer.from(answer);
}

export interface TransferEnd {
  install(text: string): void;
  cancel(): void;
}

export class MemoryTransfer implements StateTransfer {
  /** Digests of the parts in order, once they are known. */
  private list: string[] | undefined;
  private readonly outstanding = new Set<string>();
  private steps = 0;

  /** @param gathered parts by their digests, kept from transfer to transfer */
  constructor(
    public sequence: number,
    private root: Digest,
    private readonly gathered: Map<string, string>,
    private readonly end: TransferEnd,
  ) {}

  retarget(sequence: number, root: Digest): void {
    this.sequence = sequence;
    this.root = root;
    this.list = undefined;
    this.outstanding.clear();
  }

  private missing(): string[] {
    const wanted =
      this.list === undefined
        ? ['list']
        : [...this.list.keys()].filter((at) => !this.gathered.has(this.list![at])).map(String);
    return wanted.map((what) => `${this.sequence} ${what}`).filter((query) => !this.outstanding.has(query));
  }

  queries(limit: number): Uint8Array[] {
    const queries = this.missing().slice(0, limit);
    for (const query of queries) this.outstanding.add(query);
    return queries.map((query) => Buffer.from(query));
  }

  giveUp(query: Uint8Array): void {
    this.outstanding.delete(Buffer.from(query).toString());
  }

  accept(query: Uint8Array, answer: Uint8Array): 'ok' | 'invalid' {
    const text = Buffer.from(query).toString();
    if (!this.outstanding.delete(text)) return 'ok';
    const content = Buffer.from(answer).toString();
    const digest = digestKey(sha256(content));
    const what = text.split(' ')[1];
    if (what === 'list') {
      if (digest !== digestKey(this.root)) return 'invalid';
      this.list = content.split(' ');
      return 'ok';
    }
    const wanted = this.list![Number(what)];
    if (digest !== Buffer.from(wanted, 'hex').toString('latin1')) return 'invalid';
    this.gathered.set(wanted, content);
    return 'ok';
  }

  get done(): boolean {
    return this.list?.every((digest) => this.gathered.has(digest)) ?? false;
  }

  get progress(): TransferProgress {
    const rows = this.list?.filter((digest) => this.gathered.has(digest)).length ?? 0;
    return { rows, rowsMissing: (this.list?.length ?? 0) - rows, nodes: 0, nodesMissing: this.list ? 0 : 1, bytes: 0 };
  }

  install(): boolean {
    if (++this.steps < INSTALL_STEPS) return false;
    this.end.install(this.list!.map((digest) => this.gathered.get(digest)).join(''));
    return true;
  }

  cancel(): void {
    this.end.cancel();
  }
}
