/**
 * Runs the whole map of behaviours in one directory, for a test that wants them run by another user. Arguments: the
 * compiled map, the directory. Says one JSON line a case on stdout: { name, error } with null for a case that passes.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [compiled, directory] = process.argv.slice(2);
const { behaviours } = await import(pathToFileURL(compiled).href);
// A case that fails may leave promises behind that fail too.
process.on('unhandledRejection', () => {});
for (const [i, [name, behaviour]] of Object.entries(behaviours).entries()) {
  const dir = join(directory, `case-${i}`);
  mkdirSync(dir);
  const error = await behaviour(dir).then(
    () => null,
    (cause) => cause.message.split('\n')[0],
  );
  process.stdout.write(`${JSON.stringify({ name, error })}\n`);
}
process.exit(0);
