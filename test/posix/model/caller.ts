/** A process that makes the same system calls in several directories, and tells what each of them came to. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** uid, gid, supplementary groups and umask. */
export type Who = readonly [uid: number, gid: number, groups: readonly number[], umask: number];

export const ROOT: Who = [0, 0, [], 0o022];

export class Caller {
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly waiting: ((line: string | Error) => void)[] = [];
  private readonly exited: Promise<void>;
  private said = '';
  performed = 0;
  private ended: Error | undefined;

  constructor(roots: readonly string[]) {
    this.child = spawn('python3', [join(import.meta.dirname, 'caller.py'), ...roots], { stdio: 'pipe' });
    createInterface({ input: this.child.stdout }).on('line', (line) => this.waiting.shift()?.(line));
    this.child.stdin.on('error', () => {});
    this.child.stderr.on('data', (text: Buffer) => {
      this.said += text;
    });
    this.exited = new Promise((resolve) => {
      this.child.on('exit', () => {
        this.ended = new Error(`the caller ended: ${this.said}`);
        for (const each of this.waiting) each(this.ended);
        resolve();
      });
    });
  }

  /** Outcomes in the order of the roots: equal if, and only if, no program could tell the difference. */
  async perform(operation: string, who: Who, args: Record<string, unknown>): Promise<unknown[]> {
    this.performed++;
    if (this.ended !== undefined) throw this.ended;
    const line = await new Promise<string | Error>((resolve) => {
      this.waiting.push(resolve);
      this.child.stdin.write(`${JSON.stringify([operation, who, args])}\n`);
    });
    if (line instanceof Error) throw line;
    return JSON.parse(line);
  }

  async stop(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exited;
  }
}
