/** States that differ, and transfers between them. */
import { copyFileSync, existsSync, mkdtempSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';
import type { FileState } from '../../../replica/state/index.js';
import type { Digest } from '../../../src/pbft/messages.js';
import type { StateTransfer } from '../../../src/pbft/transfer-ports.js';
import { type Change, create, openSession, reply, tentatively, write } from './changes.js';
import { Driver, FILES } from './support.js';

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

export function execute(fs: Driver, changes: readonly Change[]): void {
  tentatively(fs, changes);
  fs.state.commitBatch();
}

/** A checkpoint as 2f+1 would certify it. */
export interface Certified {
  sequence: number;
  root: Digest;
}

export const certify = ({ state }: Driver): Certified => ({ sequence: state.lastExecuted, root: state.checkpoint() });

export const begin = ({ state }: Driver, { sequence, root }: Certified): StateTransfer =>
  state.beginTransfer(sequence, root);

/** Lets the source answer all that the transfer asks. */
export function gather(
  transfer: StateTransfer,
  source: FileState,
  between: (answers: number) => void = () => {},
): void {
  let answers = 0;
  while (!transfer.done) {
    for (const query of transfer.queries(3)) {
      expect(transfer.accept(query, source.serve(query, 1)!)).toBe('ok');
      between(++answers);
    }
  }
}

export function install(transfer: StateTransfer): void {
  while (!transfer.install());
}

/** The files as a kill would leave them now. */
export function copyOfFiles({ options }: Driver): Driver['options'] {
  const copy = join(mkdtempSync(join(dirname(options.path), 'copy-')), 'state.db');
  for (const part of FILES) if (existsSync(options.path + part)) copyFileSync(options.path + part, copy + part);
  return { ...options, path: copy };
}

/** A state with so many files of one block, in order of their numbers from the first. */
export function filled(files: number, fs = Driver.fresh(), from = 0): Driver {
  for (let i = from; i < from + files; i += 50) {
    const changes: Change[] = [];
    for (let file = i; file < Math.min(i + 50, from + files); file++) {
      changes.push(create(`file ${file}`));
      const node = { ino: file + 2, generation: 1 };
      changes.push(write(node, 0, Buffer.alloc(1000 + file, `content ${file}`)));
    }
    execute(fs, [openSession(7), reply(0, i), ...changes]);
  }
  return fs;
}

/** Reads all rows and nodes of a checkpoint, by bringing a new state to it. */
export function expectReadable(source: Driver, certified: Certified): void {
  const reader = Driver.fresh();
  const transfer = begin(reader, certified);
  gather(transfer, source.state);
  install(transfer);
  expect(hex(reader.state.recomputeDigest())).toBe(hex(certified.root));
  reader.state.close();
}
