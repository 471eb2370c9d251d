/**
 * The transaction mix of PostMark (J. Katcher, "PostMark: A New File System Benchmark", Network Appliance TR-3022, 1997),
 * as a list of what is to be done, made from a seed: every target does the same.
 */
import { Random } from '../random.js';

export interface PostmarkParameters {
  /** `set number`: files made before the transactions. */
  files: number;
  /** `set transactions`. */
  transactions: number;
  /** `set size`: bytes of a new file, and how far appending lets one grow. */
  size: { low: number; high: number };
  /** `set bias read`: of 10, how often a file is read and not appended to; -1: neither is done. */
  readBias: number;
  /** `set bias create`: of 10, how often a file is created and not deleted; -1: neither is done. */
  createBias: number;
  /** `set subdirectories`; 0: all in one directory. */
  subdirectories: number;
  seed: number;
}

export type Action =
  | { kind: 'create'; file: number; size: number }
  | { kind: 'read'; file: number; size: number }
  | { kind: 'append'; file: number; from: number; to: number }
  | { kind: 'delete'; file: number };

export interface Plan {
  /** Each file's number is its place here and, for those made later, the next one. */
  initial: Extract<Action, { kind: 'create' }>[];
  /** The two halves of each transaction, either of which a bias may leave out. */
  transactions: Action[][];
  /** What is there in the end. */
  final: { file: number; size: number }[];
}

export function planPostmark(parameters: PostmarkParameters): Plan {
  const { files, transactions, size, readBias, createBias, seed } = parameters;
  const random = new Random(seed);
  const live: { file: number; size: number }[] = [];
  let next = 0;
  const create = (): Extract<Action, { kind: 'create' }> => {
    const made = { file: next++, size: random.between(size.low, size.high) };
    live.push(made);
    return { kind: 'create', ...made };
  };
  const readOrAppend = (): Action[] => {
    const chosen = random.pick(live);
    if (random.between(0, 9) < readBias) return [{ kind: 'read', ...chosen }];
    if (chosen.size >= size.high) return [];
    const from = chosen.size;
    chosen.size = random.between(from + 1, size.high);
    return [{ kind: 'append', file: chosen.file, from, to: chosen.size }];
  };
  const remove = (): Action => {
    const at = random.between(0, live.length - 1);
    const { file } = live[at];
    live[at] = live.at(-1)!;
    live.pop();
    return { kind: 'delete', file };
  };
  const createOrDelete = (): Action => {
    // With no files left there is nothing to delete.
    const creates = random.between(0, 9) < createBias || live.length === 0;
    return creates ? create() : remove();
  };
  const initial = Array.from({ length: files }, create);
  const done = Array.from({ length: transactions }, () => [
    ...(readBias < 0 || live.length === 0 ? [] : readOrAppend()),
    ...(createBias < 0 ? [] : [createOrDelete()]),
  ]);
  return { initial, transactions: done, final: live };
}
