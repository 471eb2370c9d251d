// Makes a fresh checkout usable: packages installed, sources built. Needs nothing but Node itself, does nothing
// that is done already, and downloads from the npm registry only.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

/** What `tsc` compiles, and what decides how. */
const SOURCES = ['src', 'replica', 'fs-client', 'bench', 'package.json', 'tsconfig.json'];
const COMMAND = join(ROOT, 'dist/src/cli/main.js');
const MOUNT_HELPER = join(ROOT, 'dist/src/cli/mount-helper.js');
const BUILT = join(ROOT, 'dist/.built');
const LINK = join(ROOT, 'node_modules/.bin/byzfs');
const GENERATED = join(ROOT, 'src/wire/generated');
const INSTALLED = join(ROOT, 'node_modules/.byzfs-installed');

/** What was wrong and what to do, on stderr; ends the process. */
function refuse(lines) {
  process.stderr.write(`${lines.map((line) => `setup: ${line}`).join('\n')}\n`);
  process.exit(1);
}

function run(what, command, args, options = {}) {
  const { status, signal, error } = spawnSync(command, args, { cwd: ROOT, stdio: 'inherit', ...options });
  if (error !== undefined) refuse([`${what} failed: ${error.message}`]);
  if (status !== 0) refuse([`${what} failed: ${command} ended with ${signal ?? `status ${status}`}`]);
}

function onPath(name) {
  return (process.env.PATH ?? '').split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, name), constants.X_OK);
      return directory !== '';
    } catch {
      return false;
    }
  });
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if ((major === 20 && minor >= 19) || (major > 20 && major < 25)) return;
  refuse([`Node ${process.versions.node} is not supported: 20.19 to 24 is needed`]);
}

/** Where Node was installed, if its include/node has the headers of this very version; else null. */
function headersPrefix() {
  const prefix = dirname(dirname(realpathSync(process.execPath)));
  try {
    const text = readFileSync(join(prefix, 'include/node/node_version.h'), 'utf8');
    const part = (name) => new RegExp(`#define NODE_${name}_VERSION (\\d+)`).exec(text)?.[1];
    const version = `${part('MAJOR')}.${part('MINOR')}.${part('PATCH')}`;
    return version === process.versions.node ? prefix : null;
  } catch {
    return null;
  }
}

/** Changes when packages have to be installed again: another lock file, or another ABI for compiled packages. */
function installationKey() {
  const lock = readFileSync(join(ROOT, 'package-lock.json'));
  return `${createHash('sha256').update(lock).digest('hex')} ${process.versions.modules}\n`;
}

/** Whether packages that somebody installed with npm itself are those of the lock file, and load. */
function installedByHand() {
  try {
    const done = statSync(join(ROOT, 'node_modules/.package-lock.json')).mtimeMs;
    if (done < statSync(join(ROOT, 'package-lock.json')).mtimeMs) return false;
  } catch {
    return false;
  }
  const probe = 'new (require("better-sqlite3"))(":memory:").close()';
  return spawnSync(process.execPath, ['-e', probe], { cwd: ROOT, stdio: 'ignore' }).status === 0;
}

function requireTools() {
  const missing = ['make', 'g++', 'python3'].filter((name) => !onPath(name));
  if (missing.length === 0) return;
  refuse([
    `${missing.join(', ')} missing: better-sqlite3 is compiled here`,
    `on Debian: apt-get install ${missing.join(' ')}`,
  ]);
}

function requireHeaders() {
  const prefix = headersPrefix() ?? process.env.npm_config_nodedir;
  if (prefix !== undefined) return prefix;
  refuse([
    `the headers of Node ${process.versions.node} are missing beside ${realpathSync(process.execPath)}`,
    "use a Node that brings them (nodejs.org, NodeSource, nvm); for Debian's own: apt-get install libnode-dev",
  ]);
}

function install() {
  const key = installationKey();
  if (existsSync(INSTALLED) && readFileSync(INSTALLED, 'utf8') === key) return;
  if (!installedByHand()) {
    requireTools();
    // node-gyp and prebuild-install read these from the environment: compile here, with the headers that are here.
    const env = { ...process.env, npm_config_nodedir: requireHeaders(), npm_config_build_from_source: 'true' };
    process.stderr.write('setup: installing packages; better-sqlite3 is compiled, which takes a minute or two\n');
    run('npm ci', 'npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { env });
  }
  writeFileSync(INSTALLED, key);
}

function newest(path) {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return 0;
  if (!stat.isDirectory()) return stat.mtimeMs;
  let latest = stat.mtimeMs;
  for (const name of readdirSync(path)) latest = Math.max(latest, newest(join(path, name)));
  return latest;
}

function stale() {
  const built = statSync(BUILT, { throwIfNoEntry: false });
  if (built === undefined || !existsSync(COMMAND)) return true;
  return SOURCES.some((name) => newest(join(ROOT, name)) > built.mtimeMs);
}

/** Generated sources, then JavaScript in dist/, with the commands executable. */
export function build() {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  mkdirSync(GENERATED, { recursive: true });
  if (scripts.generate !== undefined) run('generating sources', 'npm', ['run', '--silent', 'generate']);
  run('building', process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', '.']);
  for (const program of [COMMAND, MOUNT_HELPER]) chmodSync(program, 0o755);
  // npm links the commands of dependencies only; npx looks here first.
  if (!existsSync(LINK)) symlinkSync('../../dist/src/cli/main.js', LINK);
  writeFileSync(BUILT, '');
}

export function setup() {
  checkNode();
  install();
  if (stale()) build();
}
