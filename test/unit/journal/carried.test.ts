import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createJournal, Journal } from '../../../replica/journal/journal.js';
import { Signables } from '../../../src/crypto/signables.js';
import type { ViewChange } from '../../../src/pbft/messages.js';
import type { JournalRecord } from '../../../src/pbft/ports.js';

const clusterId = Buffer.alloc(32, 5);
const owner = { clusterId, replica: 2 };
const decoding = { n: 4, signables: new Signables(clusterId) };
const SEGMENT_BYTES = 1000;

const signatures = [0, 1, 3].map((replica) => ({ replica, signature: Buffer.alloc(64, replica) }));

const viewChangeOf = (replica: number, view: number): ViewChange => ({
  kind: 'view-change',
  view,
  replica,
  certificate: { sequence: 128, stateDigest: Buffer.alloc(32, 6), signatures },
  prepared: [{ sequence: 129, digest: Buffer.alloc(32, 1), view: view - 1 }],
  prePrepared: [
    { sequence: 129, digest: Buffer.alloc(32, 1), view: view - 1 },
    { sequence: 129, digest: Buffer.alloc(32, 2), view: 0 },
  ],
  signature: Buffer.alloc(64, 7),
});

const viewChange = (view: number): JournalRecord => ({ kind: 'view-change', message: viewChangeOf(2, view) });

const newView = (view: number): JournalRecord => ({
  kind: 'new-view',
  message: {
    kind: 'new-view',
    view,
    viewChanges: [0, 1, 2].map((replica) => viewChangeOf(replica, view)),
    signature: Buffer.alloc(64, 8),
  },
});

const stable = (sequence: number): JournalRecord => ({
  kind: 'stable',
  certificate: { sequence, stateDigest: Buffer.alloc(32, 3), signatures },
});

const flushed = (sequence: number): JournalRecord => ({
  kind: 'flushed',
  certificate: { sequence, digest: Buffer.alloc(32, 4), signatures },
});

const checkpoint = (sequence: number): JournalRecord => ({
  kind: 'checkpoint',
  checkpoint: {
    kind: 'checkpoint',
    sequence,
    stateDigest: Buffer.alloc(32, 3),
    replica: 2,
    signature: Buffer.alloc(64, 9),
  },
});

const vote = (sequence: number): JournalRecord => ({
  kind: 'prepared',
  view: 0,
  sequence,
  digest: Buffer.alloc(32, 4),
});

const brief = (record: JournalRecord): string => {
  if (record.kind === 'view-change' || record.kind === 'new-view') return `${record.kind} ${record.message.view}`;
  if (record.kind === 'stable' || record.kind === 'flushed') return `${record.kind} ${record.certificate.sequence}`;
  if (record.kind === 'checkpoint') return `checkpoint ${record.checkpoint.sequence}`;
  return 'sequence' in record ? `${record.kind} ${record.sequence}` : record.kind;
};

describe('records that are wanted however old they are', () => {
  let directory: string;
  const opened: Journal[] = [];
  const open = (options: object = {}): Journal => {
    const journal = new Journal({
      directory,
      owner,
      decoding,
      segmentBytes: SEGMENT_BYTES,
      historyBytes: 0,
      ...options,
    });
    opened.push(journal);
    return journal;
  };
  const segments = (): string[] =>
    fs
      .readdirSync(directory)
      .filter((name) => name.endsWith('.journal'))
      .sort();
  /** Records above 10^6, where there are none: only the timeless ones come back. */
  const recovered = (): string[] =>
    open()
      .recover(10 ** 6)
      .map(brief);
  /** Votes enough to close a segment. */
  const fill = (journal: Journal, sequence: number): void => {
    const before = segments().length;
    while (segments().length === before) journal.append([vote(sequence)]);
  };

  beforeEach(() => {
    directory = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'byzfs-journal-')), 'journal');
    createJournal({ directory, owner });
  });
  afterEach(async () => {
    for (const journal of opened.splice(0)) await journal.close();
    fs.rmSync(path.dirname(directory), { recursive: true });
  });

  it('come back whole, and in the order in which they were written', () => {
    const recovery: JournalRecord[] = [
      { kind: 'recovering', diskLost: false },
      { kind: 'recovered', votesFrom: 9 },
    ];
    const epoch: JournalRecord = {
      kind: 'epoch',
      epoch: 1_790_000_000_123,
      recoveries: 3,
      recoveredAt: 1_789_999_999_000,
    };
    const votes = [vote(200), newView(4), viewChange(5), ...recovery, epoch];
    const records = [newView(3), checkpoint(128), viewChange(4), stable(128), flushed(190), ...votes];
    open().append(records);
    expect(open().recover(128)).toEqual(records);
    expect(open().recover(200)).toEqual(records.filter(({ kind }) => kind !== 'prepared'));
  });

  it('say no more that a replica recovers once it is in another incarnation, unless its disk was lost', () => {
    const begun = (incarnation: number): JournalRecord => ({
      kind: 'incarnation',
      message: { kind: 'new-incarnation', incarnation, forgotten: [], report: undefined },
    });
    const journal = open();
    journal.append([{ kind: 'recovering', diskLost: false }, begun(1), vote(250)]);
    fill(journal, 300);
    // What prepared since then was forgotten by nobody.
    expect(open().digest(250)).toBeDefined();
    const kinds = (): string[] =>
      open()
        .recover(10 ** 6)
        .map(({ kind }) => kind);
    fill(journal, 400);
    expect(kinds().slice(-1)).toEqual(['incarnation']);
    journal.append([{ kind: 'recovering', diskLost: true }, begun(2)]);
    fill(journal, 500);
    expect(kinds().slice(-2)).toEqual(['recovering', 'incarnation']);
  });

  it('start every segment, the last of each kind only', () => {
    const journal = open();
    journal.append([checkpoint(128), viewChange(1), newView(1), viewChange(2), viewChange(4), stable(128)]);
    journal.append([checkpoint(256), flushed(140), flushed(131)]);
    journal.append([newView(3), checkpoint(384), newView(2), stable(256)]);
    fill(journal, 300);
    journal.flushNow();
    journal.prune(300);
    expect(segments()).toHaveLength(1);
    expect(recovered()).toEqual([
      'view-change 4',
      'checkpoint 256',
      'flushed 140',
      'new-view 3',
      'checkpoint 384',
      'stable 256',
    ]);
  });

  it('outlive any number of rotations, prunings and restarts, without piling up', () => {
    open().append([viewChange(7), newView(6), stable(128), checkpoint(256)]);
    for (let round = 0; round < 5; round++) {
      const journal = open();
      journal.recover(0);
      fill(journal, 10 + round);
      journal.flushNow();
      journal.prune(10 + round);
    }
    expect(recovered()).toEqual(['view-change 7', 'new-view 6', 'stable 128', 'checkpoint 256']);
  });

  it('are completed at the next start where a crash cut the carrying over short, wherever it did', () => {
    const journal = open();
    journal.append([viewChange(7), newView(6), stable(128), checkpoint(256)]);
    const wanted = ['view-change 7', 'new-view 6', 'stable 128', 'checkpoint 256'];
    fill(journal, 300);
    const last = path.join(directory, segments()[1]);
    const whole = fs.readFileSync(last);
    const first = fs.readFileSync(path.join(directory, segments()[0]));
    for (let size = 0; size < whole.length; size += 13) {
      fs.writeFileSync(path.join(directory, '00000001.journal'), first);
      fs.writeFileSync(last, whole.subarray(0, size));
      const reopened = open();
      reopened.recover(300);
      reopened.flushNow();
      reopened.prune(300);
      expect(segments()).toEqual(['00000002.journal']);
      expect([...new Set(recovered())].sort(), `cut at ${size}`).toEqual([...wanted].sort());
    }
  });

  it('are on disk before the older copies go', async () => {
    const flushed = vi.spyOn(fs, 'fdatasyncSync');
    open().append([viewChange(7)]);
    const journal = open();
    journal.recover(0);
    await journal.sync();
    fill(journal, 300);
    flushed.mockClear();
    journal.prune(300);
    expect(flushed).toHaveBeenCalled();
    expect(segments()).toEqual(['00000002.journal']);
    expect(recovered()).toEqual(['view-change 7']);
    fill(journal, 600);
    await journal.sync();
    flushed.mockClear();
    journal.prune(600);
    expect(flushed).not.toHaveBeenCalled();
    expect(segments()).toHaveLength(1);
  });

  it('come after all that was written before, where a power loss is survived', () => {
    const flushed = vi.spyOn(fs, 'fdatasyncSync');
    const rotation = (options: object): number => {
      const journal = open(options);
      journal.recover(0);
      flushed.mockClear();
      fill(journal, 300);
      return flushed.mock.calls.length;
    };
    open().append([viewChange(7)]);
    try {
      expect(rotation({})).toBe(0);
      // The segment that is left, and the one before it which this process found and did not flush.
      expect(rotation({ synced: true })).toBe(2);
    } finally {
      flushed.mockRestore();
    }
  });
});
