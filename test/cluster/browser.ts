/** A headless Chromium, spoken to by its DevTools protocol over a pipe. */
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Readable, Writable } from 'node:stream';

export const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  fs.existsSync,
);

/** For the name of a test that needs it. */
export const WITHOUT_CHROMIUM = CHROMIUM === undefined ? ' (skipped: no chromium, Debian package chromium)' : '';

const WIDTH = 1040;

interface Incoming {
  id?: number;
  method?: string;
  sessionId?: string;
  params?: Record<string, unknown>;
  result?: Record<string, unknown>;
  error?: { message: string };
}

export class Browser {
  private readonly profile = fs.mkdtempSync(path.join(os.tmpdir(), 'byzfs-browser-'));
  private readonly process: ChildProcess;
  private readonly awaited = new Map<number, (incoming: Incoming) => void>();
  private last = 0;
  private rest = Buffer.alloc(0);
  private session: string | undefined;
  private tab: string | undefined;
  /** What the page complained of: errors of its script, and what its policy refused. */
  readonly complaints: string[] = [];

  constructor() {
    const args = ['--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', '--remote-debugging-pipe'];
    this.process = spawn(CHROMIUM!, [...args, `--user-data-dir=${this.profile}`, 'about:blank'], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
    });
    (this.process.stdio[4] as Readable).on('data', (chunk: Buffer) => this.receive(chunk));
  }

  private receive(chunk: Buffer): void {
    this.rest = Buffer.concat([this.rest, chunk]);
    for (let end = this.rest.indexOf(0); end >= 0; end = this.rest.indexOf(0)) {
      const incoming = JSON.parse(this.rest.subarray(0, end).toString()) as Incoming;
      this.rest = this.rest.subarray(end + 1);
      if (incoming.id !== undefined) this.awaited.get(incoming.id)?.(incoming);
      else if (/^(Runtime.exceptionThrown|Log.entryAdded)$/.test(incoming.method ?? '')) {
        this.complaints.push(JSON.stringify(incoming.params));
      }
    }
  }

  private async send(method: string, params: object = {}): Promise<Record<string, unknown>> {
    const id = ++this.last;
    const answered = new Promise<Incoming>((resolve) => this.awaited.set(id, resolve));
    const message = JSON.stringify({ id, method, params, sessionId: this.session });
    (this.process.stdio[3] as Writable).write(`${message}\0`);
    const { result, error } = await answered;
    this.awaited.delete(id);
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result!;
  }

  /** In a new tab, which takes the place of the one before. */
  async open(url: string, colours: 'light' | 'dark' = 'light'): Promise<void> {
    this.session = undefined;
    this.complaints.length = 0;
    if (this.tab !== undefined) await this.send('Target.closeTarget', { targetId: this.tab });
    const { targetId } = await this.send('Target.createTarget', { url: 'about:blank' });
    this.tab = targetId as string;
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true });
    this.session = sessionId as string;
    await this.send('Runtime.enable');
    await this.send('Log.enable');
    const size = { width: WIDTH, height: 900, deviceScaleFactor: 1, mobile: false };
    await this.send('Emulation.setDeviceMetricsOverride', size);
    await this.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: colours }] });
    await this.send('Page.navigate', { url });
  }

  /** What an expression is in the page, as JSON has it. */
  async evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', { expression, returnByValue: true });
    if (exceptionDetails !== undefined) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
    return (result as { value: T }).value;
  }

  /** Waits until an expression is something that satisfies. */
  async until<T>(what: string, expression: string, satisfies: (value: T) => boolean, withinMs = 60_000): Promise<T> {
    const deadline = Date.now() + withinMs;
    for (;;) {
      // What it speaks of may not have been loaded yet.
      const value = await this.evaluate<T>(expression).catch(() => undefined);
      if (value !== undefined && satisfies(value)) return value;
      if (Date.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}: ${JSON.stringify(value)}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async screenshot(file: string): Promise<void> {
    const height = await this.evaluate<number>('document.documentElement.scrollHeight');
    const clip = { x: 0, y: 0, width: WIDTH, height, scale: 1 };
    const { data } = await this.send('Page.captureScreenshot', { format: 'png', clip, captureBeyondViewport: true });
    fs.writeFileSync(file, Buffer.from(data as string, 'base64'));
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.process.once('exit', resolve));
    this.process.kill('SIGKILL');
    await ended;
    fs.rmSync(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
