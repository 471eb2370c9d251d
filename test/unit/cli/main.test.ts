import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SCHEMA_VERSION } from '../../../replica/state/schema.js';
import { main } from '../../../src/cli/main.js';
import { table } from '../../../src/cli/table.js';
import { PROTOCOL_VERSION } from '../../../src/net/handshake.js';

let out: string;
let err: string;
beforeEach(() => {
  out = '';
  err = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += text;
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += text;
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
});

describe('the command line', () => {
  it.each([[['--help']], [['up', '--help']], [['bench', 'andrew', '--help']], [['bench', 'micro', '--help']]])(
    'helps: %j',
    async (args) => {
      expect(await main(args)).toBe(0);
      expect(out).toMatch(/^Usage: byzfs/);
      expect(err).toBe('');
    },
  );

  it('says which versions it is of', async () => {
    expect(await main(['--version'])).toBe(0);
    const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
    expect(out).toBe(`byzfs ${version}, protocol ${PROTOCOL_VERSION}, state schema ${SCHEMA_VERSION}\n`);
    expect(err).toBe('');
  });

  it.each<[string[], RegExp]>([
    [['--nope'], /^byzfs: unknown option '--nope': see byzfs --help\n$/],
    [['mountain'], /^byzfs: unknown command 'mountain' \(Did you mean mount\?\): see byzfs --help\n$/],
    [['init'], /^byzfs: missing required argument 'dir': see byzfs init --help\n$/],
    [
      ['init', 'x', '--replicas', '5'],
      /^byzfs: option '--replicas <n>' argument '5' is invalid\. 1, 4, 7, 10 expected[^\n]*\n$/,
    ],
    [['init', 'x', '--base-port', '7400x'], /^byzfs: .*An integer from 1 to 65535 expected: see byzfs init --help\n$/],
    [['replica', '--cluster', 'x'], /^byzfs: required option '--id <n>' not specified: see byzfs replica --help\n$/],
    [['bench', 'nothing'], /^byzfs: [^\n]*nothing[^\n]*\n$/],
    [['bench', 'andrew', '--target', 'x'], /^byzfs: .*NAME=PATH expected: see byzfs bench --help\n$/],
    [['bench', 'andrew', '--only', 'local', '--target', 'local=/tmp'], /^byzfs: target local is there twice/],
  ])('refuses %j with status 2 and one line', async (args, line) => {
    expect(await main(args)).toBe(2);
    expect(err).toMatch(line);
  });

  it('asks for a verb', async () => {
    expect(await main([])).toBe(2);
    expect(err.trimEnd().split('\n').at(-1)).toMatch(/^byzfs: a verb is missing/);
  });

  describe('on a directory', () => {
    let directory: string;
    beforeEach(() => {
      directory = mkdtempSync(join(tmpdir(), 'byzfs-test-'));
    });
    afterEach(() => rmSync(directory, { recursive: true, force: true }));

    it.each([['status'], ['mount'], ['replica'], ['down']])(
      '%s fails with status 1 and one line where there is no cluster',
      async (verb) => {
        const args: Record<string, string[]> = {
          status: [directory],
          mount: [directory, join(directory, 'mnt')],
          replica: ['--cluster', directory, '--id', '0'],
          down: ['--dir', directory],
        };
        expect(await main([verb, ...args[verb]])).toBe(1);
        expect(err).toMatch(/^byzfs: [^\n]+\n$/);
      },
    );

    it('names the field of a bad cluster file', async () => {
      writeFileSync(join(directory, 'cluster.json'), '{"format": "byzfs-cluster/1"}');
      expect(await main(['status', directory])).toBe(1);
      expect(err).toBe('byzfs: cluster.json: f: an integer from 0 to 3 expected\n');
    });

    it('umount says what is not mounted', async () => {
      expect(await main(['umount', directory])).toBe(1);
      expect(err).toBe(`byzfs: ${directory} is not mounted: nothing to do\n`);
    });
  });
});

describe('tables', () => {
  it('align numbers to the right and text to the left', () => {
    expect(
      table(
        ['name', 'seconds'],
        [
          ['a', '1.5 s'],
          ['long one', '12.25 s'],
        ],
      ),
    ).toBe('name      seconds\na           1.5 s\nlong one  12.25 s\n');
  });
});
