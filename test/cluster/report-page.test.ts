import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pageOf } from '../../bench/page/page.js';
import { REPORTS } from '../unit/bench/reports.js';
import { must } from './harness.js';

const chromium = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(fs.existsSync);
const where = chromium === undefined ? ' (skipped: no chromium, Debian package chromium)' : '';

/** Runs in the page, which by itself has no script. */
const look = fs.readFileSync(path.join(import.meta.dirname, 'report-look.js'), 'utf8');

/** What it puts into the title. */
interface Seen {
  dark: boolean;
  texts: number;
  outside: string[];
  overlapping: string[];
  /** WCAG contrast of the paler of all texts and marks to the ground. */
  leastOfTexts: number;
  leastOfMarks: number;
  wider: boolean;
  requests: number;
}

describe.skipIf(chromium === undefined)(`the report in a browser${where}`, { timeout: 240_000 }, () => {
  let scratch: string;
  beforeEach(() => {
    scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'byzfs-page-'));
  });
  afterEach(() => fs.rmSync(scratch, { recursive: true, force: true, maxRetries: 5 }));

  const browse = (...args: string[]): Promise<string> => {
    const profile = `--user-data-dir=${path.join(scratch, 'profile')}`;
    const common = [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--hide-scrollbars',
      '--window-size=900,1400',
      profile,
    ];
    return must(chromium!, [...common, ...args], { timeoutMs: 200_000 });
  };

  it.each([
    ['light', 1, false],
    ['dark', 0, true],
  ])(
    'in %s: every text is inside its plot, none runs into another, all can be told from the ground',
    async (_, scheme, dark) => {
      const file = path.join(scratch, 'index.html');
      // The page as it is written, and at its end a script of this test.
      const script = `<script>${look}</script>`;
      fs.writeFileSync(file, pageOf(REPORTS).replace('</body>', `${script}</body>`));
      const dumped = await browse(`--blink-settings=preferredColorScheme=${scheme}`, '--dump-dom', `file://${file}`);
      const title = /<title>(.*?)<\/title>/s.exec(dumped)![1];
      const seen = JSON.parse(title.replace(/&lt;/g, '<').replace(/&gt;/g, '>').replace(/&amp;/g, '&')) as Seen;
      expect(seen.dark).toBe(dark);
      expect(seen.texts).toBeGreaterThan(400);
      expect(seen.outside).toEqual([]);
      expect(seen.overlapping).toEqual([]);
      expect(seen.leastOfTexts).toBeGreaterThan(4.5);
      expect(seen.leastOfMarks).toBeGreaterThan(3);
      expect(seen.wider).toBe(false);
      expect(seen.requests).toBe(0);
    },
  );
});
