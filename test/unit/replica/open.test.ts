import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Logger, pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createReplica } from '../../../replica/create.js';
import { readMarker, writeMarker } from '../../../replica/damage-marker.js';
import { type OpenedFiles, openFiles } from '../../../replica/open.js';
import { ScrubTally } from '../../../replica/scrubber.js';
import { openFileState } from '../../../replica/state/index.js';
import { setAside } from '../../../replica/state/set-aside.js';
import type { Cluster } from '../../../src/cluster/types.js';
import { alter } from '../state/damage.js';
import { cluster as clusterOf, Driver } from '../state/support.js';
import { filled, hex } from '../state/transfers.js';

describe('opening what a replica has', () => {
  let directory: string;
  let cluster: Cluster;
  let lines: { level: number; msg: string; why?: string }[];
  let log: Logger;
  const state = (): string => join(directory, 'state.db');
  const marker = (): string => join(directory, 'damaged');
  const options = () => ({ path: state(), cluster, durability: cluster.durability });

  beforeEach(() => {
    directory = join(mkdtempSync(join(tmpdir(), 'byzfs-open-')), 'replica-0');
    cluster = clusterOf();
    lines = [];
    log = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
    createReplica({ cluster, id: 0, directory });
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  async function open(tally = new ScrubTally()): Promise<OpenedFiles> {
    const identity = { role: 'replica' as const, id: 0, seed: Buffer.alloc(32, 1) };
    return openFiles({ cluster, identity, directory, log }, tally);
  }

  async function close({ state, journal }: OpenedFiles): Promise<void> {
    state.close();
    await journal.close();
  }

  /** Executes something, so that the state is not the one that a new replica has. */
  function used(files = 3): void {
    const fs = filled(files, new Driver(options(), openFileState(options())));
    fs.state.close();
  }

  /** More than is looked through at every start, with a row that is not what was written. */
  function largeAndDamaged(): void {
    const fs = new Driver(options(), openFileState(options()));
    const file = fs.create('large');
    for (let i = 0; i < 9; i++) fs.write(file, i << 20, Buffer.alloc(1 << 20, i + 1));
    fs.state.commit();
    alter(fs, "UPDATE block SET data = x'00' WHERE position = 100");
    fs.state.close();
  }

  it('is as it was left', async () => {
    used();
    const opened = await open();
    expect(opened.state.lastExecuted).toBe(1);
    expect([opened.condition, lines]).toEqual(['unchecked', []]);
    await close(opened);
  });

  const damages: [what: string, damage: () => void][] = [
    ['is no database', () => writeFileSync(state(), 'x'.repeat(20_000))],
    ['is cut short', () => truncateSync(state(), 16_384)],
    ['is gone', () => rmSync(state())],
    ['lost a table', () => alterClosed('DROP TABLE slot')],
    ['has a row that nobody wrote', () => alterClosed("INSERT INTO target VALUES (9, x'00')")],
    ['is said to have executed more', () => alterClosed('UPDATE state SET last_executed = 900')],
  ];
  const alterClosed = (sql: string): void => {
    const fs = new Driver(options(), openFileState(options()));
    fs.state.commit();
    alter(fs, `${sql}; COMMIT; BEGIN`);
    fs.state.distrust();
    fs.state.close();
  };

  for (const [what, damage] of damages) {
    it(`with a state that ${what}: begins anew with its journal, says so once, and keeps the old one`, async () => {
      used();
      damage();
      const wasThere = existsSync(state());
      const journal = readdirSync(join(directory, 'journal'));
      const tally = new ScrubTally();
      const opened = await open(tally);
      expect(opened.state.lastExecuted).toBe(0);
      expect(hex(opened.state.checkpoint())).toBe(hex(Driver.fresh().state.checkpoint()));
      expect([opened.condition, tally.damaged]).toEqual(['new', 1]);
      expect(lines).toMatchObject([
        { level: 50, msg: expect.stringMatching(/set aside/), why: expect.stringMatching(/state\.db/) },
      ]);
      expect(readdirSync(join(directory, 'journal'))).toEqual(journal);
      expect(existsSync(join(directory, 'state.damaged-1/state.db'))).toBe(wasThere);
      await close(opened);
    });
  }

  it('refuses a state of another version, and leaves it alone', async () => {
    used();
    alterClosed('PRAGMA user_version = 77');
    const bytes = readFileSync(state());
    await expect(open()).rejects.toMatchObject({ code: 'version' });
    expect(readFileSync(state()).equals(bytes)).toBe(true);
    expect(readdirSync(directory).sort()).toEqual(['journal', 'state.db']);
  });

  it('refuses without a journal, whatever the state is, and touches nothing', async () => {
    used();
    writeFileSync(state(), 'no database');
    rmSync(join(directory, 'journal'), { recursive: true });
    await expect(open()).rejects.toThrow(/^[^\n]*no journal[^\n]*--rejoin$/);
    expect(readFileSync(state(), 'latin1')).toBe('no database');
    expect(readdirSync(directory)).toEqual(['state.db']);
  });

  it.each([
    ['is gone after a loss of power', 'buffered', '11111111-2222-3333-4444-555555555555', false],
    ['is kept where it is flushed', 'synced', '11111111-2222-3333-4444-555555555555', true],
    ['is kept after a kill', 'buffered', readFileSync('/proc/sys/kernel/random/boot_id', 'latin1'), true],
  ] as const)('what a transfer had gathered %s', async (_, durability, boot, isKept) => {
    cluster = clusterOf({ durability });
    writeFileSync(join(directory, 'journal/boot'), boot);
    for (const part of ['-staging', '-staging-wal']) writeFileSync(state() + part, 'gathered');
    await close(await open());
    expect(['-staging', '-staging-wal'].map((part) => existsSync(state() + part))).toEqual([isKept, isKept]);
  });

  it('refuses a journal that is damaged, by the same name', async () => {
    const [segment] = readdirSync(join(directory, 'journal'));
    const file = join(directory, 'journal', segment);
    appendFileSync(file, Buffer.alloc(500, 7));
    await expect(open()).rejects.toThrow(/--rejoin$/);
  });

  it('refuses where there is no other replica that the state could come from', async () => {
    used();
    writeFileSync(state(), 'no database');
    cluster = clusterOf({ f: 0 });
    await expect(open()).rejects.toThrow(/no other replica/);
    expect(readFileSync(state(), 'latin1')).toBe('no database');
  });

  it('looks through all of a state after a failure: a sound one goes on', async () => {
    used(40);
    writeMarker(marker(), { certain: false, why: 'it\nstopped' });
    expect(readMarker(marker())).toEqual({ certain: false, why: 'it stopped' });
    const opened = await open();
    expect([opened.condition, opened.state.lastExecuted]).toEqual(['sound', 1]);
    expect(lines.map(({ level, msg, why }) => [level, msg, why])).toEqual([
      [40, expect.stringMatching(/looking through the whole state/), 'it stopped'],
      [30, 'the state is whole', undefined],
    ]);
    expect(existsSync(marker())).toBe(false);
    await close(opened);
  });

  it('… and one with a damaged row is set aside', async () => {
    largeAndDamaged();
    const unmarked = await open();
    expect(unmarked.condition).toBe('unchecked');
    await close(unmarked);
    writeMarker(marker(), { certain: false, why: 'it stopped' });
    const tally = new ScrubTally();
    const opened = await open(tally);
    expect([opened.condition, opened.state.lastExecuted, tally.damaged]).toEqual(['new', 0, 1]);
    expect(lines.at(-1)).toMatchObject({ level: 50, why: expect.stringMatching(/1 of \d+ rows are damaged/) });
    expect(existsSync(marker())).toBe(false);
    await close(opened);
  });

  it('begins anew where the state was known to be wrong, though nothing contradicts it', async () => {
    used();
    writeMarker(marker(), { certain: true, why: 'not the certified one' });
    expect(readMarker(marker())).toEqual({ certain: true, why: 'not the certified one' });
    const opened = await open();
    expect(opened.state.lastExecuted).toBe(0);
    expect(existsSync(marker())).toBe(false);
    await close(opened);
  });

  it('keeps the first state that was set aside, and the last', () => {
    for (let i = 1; i <= 4; i++) {
      writeFileSync(state(), `state ${i}`);
      writeFileSync(`${state()}-wal`, `log ${i}`);
      expect(setAside(state())).toBe(join(directory, `state.damaged-${i}`));
    }
    expect(setAside(state())).toBeUndefined();
    expect(readdirSync(directory).sort()).toEqual(['journal', 'state.damaged-1', 'state.damaged-4']);
    expect(readFileSync(join(directory, 'state.damaged-1/state.db'), 'latin1')).toBe('state 1');
    expect(readFileSync(join(directory, 'state.damaged-4/state.db-wal'), 'latin1')).toBe('log 4');
  });
});
