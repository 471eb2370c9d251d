/** A stand-in for systemd that listens for what a service says of itself. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';

export class Manager {
  /** All that was said, in order. */
  readonly heard: string[] = [];
  private readonly child: ChildProcess;

  /** @param name of the socket: a path, or @ and a name that is no file */
  constructor(readonly name: string) {
    this.child = spawn('python3', [join(import.meta.dirname, 'notified.py'), name], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let rest = '';
    this.child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop()!;
      this.heard.push(...lines);
    });
  }

  async hears(line: string): Promise<void> {
    for (let tries = 0; tries < 1500; tries++) {
      if (this.heard.includes(line)) return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`${line} was not said, but ${JSON.stringify(this.heard)}`);
  }

  end(): void {
    this.child.kill('SIGKILL');
  }
}
