/** Running programs to their end. */
import { spawn, spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const WRITERS = fileURLToPath(new URL('../writers/', import.meta.url));

/** A shell that is no terminal reads no start-up file. */
export const { BASH_ENV: _, ...ENVIRONMENT } = process.env;

/** Runs a program to its end. @throws Error with what it said, if that was not success */
export function run(command, args, options = {}) {
  const { status, signal, stdout, stderr } = spawnSync(command, args, {
    encoding: 'utf8',
    env: ENVIRONMENT,
    timeout: 1_800_000,
    maxBuffer: 2 ** 28,
    ...options,
  });
  if (status === 0) return stdout;
  throw new Error(`${command} ended with ${status ?? signal}: ${`${stdout}${stderr}`.trim().slice(-2000)}`);
}

export const shell = (script, cwd, options = {}) =>
  run('bash', ['-euo', 'pipefail', '-c', script], { cwd, ...options });

/** Starts `program` of writers/ once with each of `argumentLists`; their outputs, once all have ended well. */
export function together(program, argumentLists) {
  const [command, file] = program.endsWith('.py') ? ['python3', program] : [process.execPath, program];
  const runs = argumentLists.map(
    (args) =>
      new Promise((resolve, reject) => {
        const child = spawn(command, [path.join(WRITERS, file), ...args.map(String)]);
        let said = '';
        child.stdout.on('data', (text) => {
          said += text;
        });
        child.stderr.on('data', (text) => {
          said += text;
        });
        const killed = args[0] === 'die' ? 'SIGKILL' : null;
        child.on('exit', (code, signal) => {
          if (signal === killed && !code) resolve(said.trim());
          else reject(new Error(`${program} ${args.join(' ')} ended with ${code ?? signal}: ${said}`));
        });
      }),
  );
  return Promise.all(runs);
}

export function expect(condition, what) {
  if (!condition) throw new Error(what);
}
