/** A picture on a terminal that is drawn again and again, and leaves it as it was found. */
import type { ReadStream, WriteStream } from 'node:tty';

const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l';
const LEAVE = '\x1b[?7h\x1b[?25h\x1b[?1049l';
const HOME = '\x1b[H';
const CLEAR_LINE = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';
/** Ctrl-C and Ctrl-D are keys as any other while the terminal is read raw. */
const ENDING_KEYS = ['q', '\x03', '\x04'];

export class Screen {
  private lines: readonly string[] = [];
  private left = false;

  /** @param onEnd told when who watches wants to end */
  constructor(
    private readonly input: ReadStream | undefined,
    private readonly output: WriteStream,
    private readonly onEnd: () => void,
  ) {
    output.write(ENTER);
    output.on('resize', this.draw);
    input?.setRawMode(true);
    input?.on('data', this.onKeys).resume();
    // However the process ends.
    process.on('exit', this.leave);
  }

  private readonly onKeys = (keys: Buffer): void => {
    const pressed = keys.toString('latin1');
    if (ENDING_KEYS.some((key) => pressed.includes(key))) this.onEnd();
  };

  show(text: string): void {
    this.lines = text.trimEnd().split('\n');
    this.draw();
  }

  private readonly draw = (): void => {
    // A terminal that does not know its size says 0.
    const shown = this.lines.slice(0, this.output.rows || this.lines.length);
    this.output.write(HOME + shown.map((line) => line + CLEAR_LINE).join('\r\n') + CLEAR_BELOW);
  };

  readonly leave = (): void => {
    if (this.left) return;
    this.left = true;
    process.off('exit', this.leave);
    this.output.off('resize', this.draw);
    this.input?.off('data', this.onKeys).pause();
    this.input?.setRawMode(false);
    this.output.write(LEAVE);
  };
}
