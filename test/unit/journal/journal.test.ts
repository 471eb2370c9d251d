import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mayHaveLostPower, noteRunning, noteStopped } from '../../../replica/journal/boot.js';
import { createJournal, Journal } from '../../../replica/journal/journal.js';
import { Signables } from '../../../src/crypto/signables.js';
import { BrokenInvariant } from '../../../src/limits.js';
import type { Batch, Digest, Request } from '../../../src/pbft/messages.js';
import type { JournalRecord } from '../../../src/pbft/ports.js';
import { encodeRequestBody } from '../../../src/wire/request-body.js';

const clusterId = Buffer.alloc(32, 5);
const signables = new Signables(clusterId);
const owner = { clusterId, replica: 2 };
const decoding = { n: 4, signables };

function batch(text: string): Batch {
  const session = { client: 1, instance: 77 };
  const calls = [{ kind: 0, slot: 3, sequence: 9, operation: Buffer.from(text) }];
  const body = encodeRequestBody({ session, readOnly: false, replier: 1, calls });
  const request: Request = {
    kind: 'request',
    session,
    readOnly: false,
    replier: 1,
    calls,
    body,
    digest: signables.request(body),
    authenticator: Buffer.alloc(64, 3),
    signature: Buffer.alloc(64, 4),
  };
  const time = { seconds: 1_700_000_000, nanoseconds: 5 };
  return { time, requests: [request], digest: signables.batch(time, [request.digest]) };
}

const committedBatch = (journal: Journal, sequence: number): Batch | undefined => {
  const digest = journal.digest(sequence);
  return digest && journal.batch(sequence, digest);
};

const votesFor = (sequence: number, text = `operation ${sequence}`): JournalRecord[] => {
  const proposed = batch(text);
  return [
    { kind: 'pre-prepared', view: 3, sequence, digest: proposed.digest, batch: proposed },
    { kind: 'prepared', view: 3, sequence, digest: proposed.digest },
    { kind: 'committed', sequence, digest: proposed.digest },
  ];
};

const stable = (sequence: number): JournalRecord => ({
  kind: 'stable',
  certificate: {
    sequence,
    stateDigest: Buffer.alloc(32, sequence),
    signatures: [0, 1, 3].map((replica) => ({ replica, signature: Buffer.alloc(64, replica) })),
  },
});

const checkpoint = (sequence: number): JournalRecord => ({
  kind: 'checkpoint',
  checkpoint: {
    kind: 'checkpoint',
    sequence,
    stateDigest: Buffer.alloc(32, sequence),
    replica: 2,
    signature: Buffer.alloc(64, 9),
  },
});

const again = (sequence: number, digest: Digest, view: number): JournalRecord => ({
  kind: 'pre-prepared',
  view,
  sequence,
  digest,
});

const kinds = (records: JournalRecord[]): string[] =>
  records.map((record) => ('sequence' in record ? `${record.kind} ${record.sequence}` : record.kind));

describe('journal', () => {
  let directory: string;
  const open = (options: object = {}): Journal => new Journal({ directory, owner, decoding, ...options });

  beforeEach(() => {
    directory = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'byzfs-journal-')), 'journal');
    createJournal({ directory, owner });
  });
  afterEach(() => fs.rmSync(path.dirname(directory), { recursive: true }));

  it('gives back what was appended, above a sequence number', async () => {
    const journal = open();
    journal.append(votesFor(1));
    journal.append([...votesFor(2), stable(1), checkpoint(2)]);
    await journal.close();
    const records = open().recover(1);
    expect(kinds(records)).toEqual(['pre-prepared 2', 'prepared 2', 'committed 2', 'stable', 'checkpoint']);
    expect(records[0]).toMatchObject({ view: 3, batch: { digest: batch('operation 2').digest } });
    expect(records[3]).toEqual(stable(1));
    expect(records[4]).toEqual(checkpoint(2));
  });

  it('survives without close, as after SIGKILL', () => {
    open().append(votesFor(1));
    expect(open().recover(0)).toHaveLength(3);
  });

  it('takes no beginning of a record for a record, wherever the last write was cut', () => {
    const journal = open();
    journal.append(votesFor(1));
    const file = path.join(directory, fs.readdirSync(directory)[0]);
    const before = fs.statSync(file).size;
    journal.append([{ kind: 'prepared', view: 3, sequence: 2, digest: Buffer.alloc(32, 1) }]);
    const whole = fs.readFileSync(file);
    for (let size = before; size < whole.length; size++) {
      fs.writeFileSync(file, whole.subarray(0, size));
      const reopened = open();
      expect(reopened.droppedBytes).toBe(size - before);
      expect(kinds(reopened.recover(0))).toEqual(['pre-prepared 1', 'prepared 1', 'committed 1']);
    }
  });

  it('goes on after a torn record, and what it then writes is found', () => {
    open().append(votesFor(1));
    const file = path.join(directory, fs.readdirSync(directory)[0]);
    fs.truncateSync(file, fs.statSync(file).size - 1);
    open().append(votesFor(2));
    expect(kinds(open().recover(0))).toEqual([
      'pre-prepared 1',
      'prepared 1',
      'pre-prepared 2',
      'prepared 2',
      'committed 2',
    ]);
  });

  it('reads back records without a body that follow one too large to be gathered', () => {
    // A large write goes out by writev, after which zlib took the shared empty body for a request to start over.
    const journal = open();
    const votes = (sequence: number): JournalRecord[] => votesFor(sequence, 'x'.repeat(100_000));
    for (let sequence = 1; sequence <= 3; sequence++) journal.append(votes(sequence));
    for (let sequence = 4; sequence <= 6; sequence++) journal.append(votesFor(sequence));
    expect(open().recover(0)).toHaveLength(18);
  });

  it('refuses to open when any byte before its last record is damaged', () => {
    const journal = open();
    journal.append(votesFor(1));
    const file = path.join(directory, fs.readdirSync(directory)[0]);
    const end = fs.statSync(file).size;
    journal.append(votesFor(2));
    const whole = fs.readFileSync(file);
    for (let at = 0; at < end; at += 7) {
      const damaged = Buffer.from(whole);
      damaged[at] ^= 0x40;
      fs.writeFileSync(file, damaged);
      expect(() => open(), `byte ${at}`).toThrow(/damaged|not a journal/);
    }
  });

  it('drops the zeros that a power loss left where data should be', () => {
    open().append(votesFor(1));
    const file = path.join(directory, fs.readdirSync(directory)[0]);
    fs.truncateSync(file, fs.statSync(file).size + 4096);
    const reopened = open();
    expect(reopened.droppedBytes).toBe(4096);
    expect(reopened.recover(0)).toHaveLength(3);
  });

  it('drops records that a power loss cut short anywhere, with zeros up to where they would have ended', () => {
    open().append(votesFor(1));
    const file = path.join(directory, fs.readdirSync(directory)[0]);
    const flushed = fs.statSync(file).size;
    open().append(votesFor(2));
    const { size } = fs.statSync(file);
    const bytes = fs.readFileSync(file);
    for (let written = flushed; written < size; written++) {
      fs.writeFileSync(file, Buffer.concat([bytes.subarray(0, written), Buffer.alloc(size - written)]));
      const records = kinds(open().recover(0));
      expect(records).toEqual([...kinds(votesFor(1)), ...kinds(votesFor(2))].slice(0, records.length));
      expect(records.length).toBeGreaterThanOrEqual(3);
    }
  });

  it('refuses a missing journal, one of another cluster, and to create over one', () => {
    expect(() => new Journal({ directory: `${directory}-none`, owner, decoding })).toThrow(/no journal/);
    expect(() => open({ owner: { clusterId: Buffer.alloc(32, 6), replica: 2 } })).toThrow(/another cluster/);
    expect(() => open({ owner: { clusterId, replica: 1 } })).toThrow(/another cluster or replica/);
    expect(() => createJournal({ directory, owner })).toThrow(/already/);
  });

  it('serves committed batches, by their committed digest, and forgets the oldest beyond its budget', () => {
    const journal = open({ segmentBytes: 2000, historyBytes: 6000 });
    const overruled = batch('overruled');
    journal.append([
      { kind: 'pre-prepared', view: 2, sequence: 1, digest: overruled.digest, batch: overruled },
      checkpoint(128),
    ]);
    for (let sequence = 1; sequence <= 40; sequence++) journal.append(votesFor(sequence));
    journal.append([stable(30)]);
    expect(committedBatch(journal, 1)?.digest).toEqual(batch('operation 1').digest);
    expect(committedBatch(journal, 41)).toBeUndefined();
    expect(fs.readdirSync(directory).length).toBeGreaterThan(4);
    journal.flushNow();
    journal.prune(40);
    expect(committedBatch(journal, 1)).toBeUndefined();
    expect(committedBatch(journal, 40)?.digest).toEqual(batch('operation 40').digest);
    // What every segment must know is carried into each.
    const again = open({ segmentBytes: 2000 });
    expect(kinds(again.recover(39))).toEqual(expect.arrayContaining(['checkpoint', 'stable', 'committed 40']));
  });

  it('never prunes what is still needed', () => {
    const journal = open({ segmentBytes: 1000, historyBytes: 0 });
    for (let sequence = 1; sequence <= 20; sequence++) journal.append(votesFor(sequence));
    journal.flushNow();
    journal.prune(5);
    expect(kinds(open().recover(5)).filter((kind) => kind.startsWith('pre-prepared'))).toHaveLength(15);
  });

  it('keeps a batch that later records only name, while its sequence number is needed', () => {
    const journal = open({ segmentBytes: 1000, historyBytes: 0 });
    const { digest } = batch('operation 7');
    journal.append([votesFor(7)[0]]);
    for (let sequence = 1; sequence <= 6; sequence++) journal.append(votesFor(sequence));
    journal.append([again(7, digest, 4)]);
    for (let sequence = 8; sequence <= 20; sequence++) journal.append(votesFor(sequence));
    journal.flushNow();
    journal.prune(6);
    const of7 = open()
      .recover(6)
      .filter((record) => 'sequence' in record && record.sequence === 7);
    expect(of7).toEqual([
      { ...votesFor(7)[0], digest: expect.anything(), batch: expect.anything() },
      again(7, digest, 4),
    ]);
    expect(of7[0]).toMatchObject({ digest, batch: { digest } });
    journal.prune(7);
    expect(kinds(open().recover(7))).not.toContain('pre-prepared 7');
  });

  it('finds a batch that committed in a later view than it was recorded in', async () => {
    const journal = open({ segmentBytes: 1000 });
    const [mine, other] = [batch('operation 1'), batch('overruled')];
    journal.append([
      { kind: 'pre-prepared', view: 2, sequence: 1, digest: mine.digest, batch: mine },
      { kind: 'pre-prepared', view: 3, sequence: 1, digest: other.digest, batch: other },
    ]);
    journal.append(votesFor(2));
    journal.append([again(1, mine.digest, 4), { kind: 'prepared', view: 4, sequence: 1, digest: mine.digest }]);
    // Without a record of its own, what committed is what prepared last.
    expect(committedBatch(journal, 1)?.digest).toEqual(mine.digest);
    journal.append([{ kind: 'committed', sequence: 1, digest: other.digest }]);
    expect(committedBatch(journal, 1)?.digest).toEqual(other.digest);
    journal.append([{ kind: 'committed', sequence: 1, digest: mine.digest }]);
    await journal.close();
    const reopened = open();
    expect(reopened.digest(1)).toEqual(mine.digest);
    expect(committedBatch(reopened, 1)?.digest).toEqual(mine.digest);
    expect(kinds(reopened.recover(0).filter((record) => 'sequence' in record && record.sequence === 1))).toEqual([
      'pre-prepared 1',
      'pre-prepared 1',
      'pre-prepared 1',
      'prepared 1',
      'committed 1',
      'committed 1',
    ]);
  });

  it('refuses to record a batch under the digest of another', () => {
    const record = votesFor(1)[0];
    expect(() => open().append([{ ...record, digest: Buffer.alloc(32) } as JournalRecord])).toThrow(BrokenInvariant);
  });

  it('after a power loss keeps what comes before the first damage, and nothing after it', async () => {
    const journal = open({ segmentBytes: 1000 });
    for (let sequence = 1; sequence <= 20; sequence++) journal.append(votesFor(sequence));
    await journal.close();
    const names = fs.readdirSync(directory).filter((name) => name.endsWith('.journal'));
    expect(names.length).toBeGreaterThan(3);
    const second = path.join(directory, names[1]);
    const bytes = fs.readFileSync(second);
    // Pages reach the disk in any order: here the middle of a segment did not, and what follows did.
    bytes.fill(0, 300, 600);
    fs.writeFileSync(second, bytes);
    expect(() => open()).toThrow(expect.objectContaining({ code: 'corrupt' }));
    const whole = kinds(open({ lostPower: true }).recover(0));
    expect(whole.length).toBeGreaterThan(0);
    expect(whole).toEqual(
      Array.from({ length: 20 }, (_, i) => kinds(votesFor(i + 1)))
        .flat()
        .slice(0, whole.length),
    );
    expect(kinds(open().recover(0))).toEqual(whole);
  });

  it('after a power loss does not take for committed what prepared last, but below a checkpoint of its own', () => {
    const [mine, other] = [batch('mine'), batch('other')];
    const journal = open();
    for (const sequence of [127, 129]) {
      journal.append([
        { kind: 'pre-prepared', view: 0, sequence, digest: mine.digest, batch: mine },
        { kind: 'prepared', view: 0, sequence, digest: mine.digest },
      ]);
    }
    journal.append([checkpoint(128)]);
    expect([127, 129].map((sequence) => journal.digest(sequence))).toEqual([mine.digest, mine.digest]);
    journal.append([{ kind: 'recovering', diskLost: false }]);
    for (const each of [journal, open()]) {
      expect(each.digest(127)).toEqual(mine.digest);
      expect(each.digest(129)).toBeUndefined();
    }
    journal.append([{ kind: 'committed', sequence: 129, digest: other.digest, batch: other }]);
    expect(open().digest(129)).toEqual(other.digest);
  });

  it('knows whether power may have been lost since it was used', () => {
    expect(mayHaveLostPower(directory)).toBe(false);
    noteRunning(directory);
    expect(mayHaveLostPower(directory)).toBe(false);
    fs.writeFileSync(path.join(directory, 'boot'), '11111111-2222-3333-4444-555555555555\n');
    expect(mayHaveLostPower(directory)).toBe(true);
    noteStopped(directory);
    expect(mayHaveLostPower(directory)).toBe(false);
    fs.rmSync(path.join(directory, 'boot'));
    expect(mayHaveLostPower(directory)).toBe(true);
  });

  it('shares flushes, and each covers what was appended before it was asked for', async () => {
    const journal = open();
    const syncs: Promise<void>[] = [];
    for (let sequence = 1; sequence <= 10; sequence++) {
      journal.append(votesFor(sequence));
      syncs.push(journal.sync());
    }
    await Promise.all(syncs);
    expect(new Set(syncs).size).toBe(2);
    await journal.close();
  });
});
