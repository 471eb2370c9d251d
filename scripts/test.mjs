// npm test [-- vitest arguments]: lint, types, then all tests. The last line is "N passed, N failed"; a failed lint or
// type check, a test file that does not load and an error outside of any test count as failed.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT, setup } from './setup.mjs';

/** Not the whole checkout: `npm run up` makes a cluster and a mount in it. */
const LINTED = ['src', 'replica', 'fs-client', 'bench', 'scripts', 'test'];

const bin = (path) => join(ROOT, 'node_modules', path);

function run(args) {
  const { status } = spawnSync(process.execPath, args, { cwd: ROOT, stdio: 'inherit' });
  return status === 0;
}

function check(name, args) {
  const passed = run(args);
  process.stdout.write(`${name}: ${passed ? 'passed' : 'FAILED'}\n`);
  return passed ? 0 : 1;
}

/** What vitest reports in JSON, as passed, failed and skipped. */
function count(file, succeeded) {
  if (!existsSync(file)) return { passed: 0, failed: 1, skipped: 0 };
  const report = JSON.parse(readFileSync(file, 'utf8'));
  const unloaded = report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  );
  const passed = report.numPassedTests;
  let failed = report.numFailedTests + unloaded.length;
  if (failed === 0 && (!succeeded || passed === 0)) failed = 1;
  return { passed, failed, skipped: report.numPendingTests + report.numTodoTests };
}

setup();
const checks =
  check('lint', [bin('@biomejs/biome/bin/biome'), 'check', '--max-diagnostics=20', ...LINTED]) +
  check('types', [bin('typescript/bin/tsc'), '--noEmit', '-p', '.']) +
  check('types of the tests', [bin('typescript/bin/tsc'), '-p', 'test']);

const directory = mkdtempSync(join(tmpdir(), 'byzfs-test-'));
const file = join(directory, 'report.json');
const succeeded = run([
  bin('vitest/vitest.mjs'),
  'run',
  '--reporter=default',
  '--reporter=json',
  `--outputFile.json=${file}`,
  ...process.argv.slice(2),
]);
const { passed, failed, skipped } = count(file, succeeded);
rmSync(directory, { recursive: true, force: true });
if (skipped > 0)
  process.stdout.write(
    `${skipped} skipped: not asked for, or in need of root, /dev/fuse, fusermount3 (apt-get install fuse3) or fuse-native\n`,
  );
process.stdout.write(`${passed} passed, ${failed + checks} failed\n`);
process.exit(failed + checks === 0 ? 0 : 1);
