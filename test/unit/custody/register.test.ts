import { describe, expect, it } from 'vitest';
import {
  type CustodyOperation,
  decodeCustody,
  decodeOutcome,
  encodeCustody,
} from '../../../replica/custody/operations.js';
import { CustodyRegister } from '../../../replica/custody/register.js';
import { createFileState, type FileState, type FileStateOptions, openFileState } from '../../../replica/state/index.js';
import { options } from '../state/support.js';
import { hex } from '../state/transfers.js';

const ALICE = 3;
const BOB = 5;
const item = (name: string): Buffer => Buffer.from(name);

const custodyOptions = (): FileStateOptions => ({
  ...options(),
  service: ({ records }) => new CustodyRegister(records),
});

function begin(state: FileState, operation: CustodyOperation | Buffer, client: number): unknown {
  const sequence = state.lastExecuted + 1;
  const time = { seconds: 1_700_000_000 + sequence, nanoseconds: 0 };
  const bytes = Buffer.isBuffer(operation) ? operation : encodeCustody(operation);
  state.beginBatch(sequence);
  const { result } = state.service.execute(bytes, { sequence, time, session: { client, instance: 1 } });
  state.endBatch(time);
  return decodeOutcome(result);
}

function execute(state: FileState, operation: CustodyOperation | Buffer, client: number): unknown {
  const outcome = begin(state, operation, client);
  state.commitBatch();
  return outcome;
}

const query = (state: FileState, name: string): unknown =>
  decodeOutcome(state.service.query(encodeCustody({ op: 'query', item: item(name) }), { client: BOB, instance: 1 }));

describe('a custody register', () => {
  it('hands an item over by offer and acceptance, and in no other way', () => {
    const state = createFileState(custodyOptions());
    const seal = item('seal 17');
    expect(query(state, 'seal 17')).toBe('unknown item');
    expect(execute(state, { op: 'offer', item: seal, to: BOB }, ALICE)).toBe('unknown item');
    expect(execute(state, { op: 'enter', item: seal }, ALICE)).toMatchObject({ holder: ALICE, handovers: 0 });
    expect(execute(state, { op: 'enter', item: seal }, BOB)).toBe('entered before');
    expect(execute(state, { op: 'accept', item: seal }, BOB)).toBe('not offered');
    expect(execute(state, { op: 'accept', item: seal }, ALICE)).toBe('not offered');
    expect(execute(state, { op: 'offer', item: seal, to: BOB }, BOB)).toBe('not the holder');
    execute(state, { op: 'offer', item: seal, to: BOB }, ALICE);
    expect(query(state, 'seal 17')).toEqual({ holder: ALICE, offeredTo: BOB, handovers: 0 });
    expect(execute(state, { op: 'accept', item: seal }, BOB)).toMatchObject({ holder: BOB, handovers: 1 });
    expect(execute(state, { op: 'accept', item: seal }, BOB)).toBe('not offered');
    expect(execute(state, { op: 'offer', item: seal, to: ALICE }, ALICE)).toBe('not the holder');
    state.close();
  });

  it('takes back an offer that is made to the holder itself', () => {
    const state = createFileState(custodyOptions());
    execute(state, { op: 'enter', item: item('a') }, ALICE);
    execute(state, { op: 'offer', item: item('a'), to: BOB }, ALICE);
    execute(state, { op: 'offer', item: item('a'), to: ALICE }, ALICE);
    expect(execute(state, { op: 'accept', item: item('a') }, BOB)).toBe('not offered');
    expect(execute(state, { op: 'accept', item: item('a') }, ALICE)).toBe('not offered');
    state.close();
  });

  it('has an answer to whatever bytes come, and changes nothing for a query', () => {
    const state = createFileState(custodyOptions());
    const before = state.checkpoint();
    const enter = encodeCustody({ op: 'enter', item: item('a') });
    for (const bytes of [Buffer.alloc(0), Buffer.of(9), enter.subarray(1), Buffer.concat([enter, Buffer.of(0)])]) {
      expect(decodeCustody(bytes)).toBeUndefined();
      expect(execute(state, bytes, ALICE)).toBe('malformed');
    }
    const tooLong = encodeCustody({ op: 'enter', item: Buffer.alloc(201) });
    expect(execute(state, tooLong, ALICE)).toBe('malformed');
    expect(decodeOutcome(state.service.query(enter, { client: ALICE, instance: 1 }))).toBe('malformed');
    expect(query(state, 'a')).toBe('unknown item');
    // Clock and sequence number went on; the register has no row.
    const other = createFileState(custodyOptions());
    for (let i = 0; i < 5; i++) execute(other, Buffer.alloc(0), BOB);
    expect(hex(state.checkpoint())).toBe(hex(other.checkpoint()));
    expect(hex(state.checkpoint())).not.toBe(hex(before));
    state.close();
    other.close();
  });

  it('is rolled back, hashed, and found again after a restart, like any state', () => {
    const given = custodyOptions();
    const state = createFileState(given);
    execute(state, { op: 'enter', item: item('a') }, ALICE);
    const offered = execute(state, { op: 'offer', item: item('a'), to: BOB }, ALICE);
    const root = hex(state.checkpoint());
    begin(state, { op: 'accept', item: item('a') }, BOB);
    expect(query(state, 'a')).toMatchObject({ holder: BOB });
    state.rollbackBatch();
    expect(query(state, 'a')).toEqual(offered);
    expect(hex(state.recomputeDigest())).toBe(root);
    execute(state, { op: 'accept', item: item('a') }, BOB);
    expect(hex(state.checkpoint())).not.toBe(root);
    state.close();
    const again = openFileState(given);
    expect(query(again, 'a')).toEqual({ holder: BOB, offeredTo: BOB, handovers: 1 });
    again.close();
  });

  it('is transferred to a replica that lacks it', () => {
    const source = createFileState(custodyOptions());
    for (let i = 0; i < 300; i++) execute(source, { op: 'enter', item: item(`item ${i}`) }, ALICE);
    const [sequence, root] = [source.lastExecuted, source.checkpoint()];
    const target = createFileState(custodyOptions());
    const transfer = target.beginTransfer(sequence, root);
    while (!transfer.done) {
      for (const asked of transfer.queries(8)) expect(transfer.accept(asked, source.serve(asked, 1)!)).toBe('ok');
    }
    while (!transfer.install());
    expect(query(target, 'item 299')).toMatchObject({ holder: ALICE });
    expect(hex(target.recomputeDigest())).toBe(hex(root));
    source.close();
    target.close();
  });
});
