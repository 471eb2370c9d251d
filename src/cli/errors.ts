/** What a verb ends with when it cannot do what was asked: one line, and the exit status. */

/** Exit status 1. The message says what failed, why and what to do, on one line. */
export class CommandError extends Error {
  override name = 'CommandError';
}

/** Exit status 2: the command line itself is wrong. */
export class UsageError extends Error {
  override name = 'UsageError';
}

/** For people, on stderr: something happened that is no failure of the verb. */
export function report(line: string): void {
  process.stderr.write(`byzfs: ${line}\n`);
}

/** An error as one line, without a stack: for people. */
export function oneLine(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.trim().replace(/\s*\n\s*/g, ' ');
}
