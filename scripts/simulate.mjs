// npm run simulate -- [--seeds N] [--from N] [--f F] [--jobs N]    a sweep over seeds
//                     --seed N [--f F] [--verbose]                 one seed, with its transcript where it fails
//                     --sqlite                                     all seeds on SQLite, journal files and encoded messages
//                     --power-loss                                 in all seeds the power fails at all replicas at once
//                     --crash-at-every-write                       a replica on real files dies at its n-th write, for every n
//                     --mutants [--only TEXT] [--seeds N]          plants faults into the protocol; each must be caught
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const ROOT = join(import.meta.dirname, '..');
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc');
/** All that the simulator is made of. */
const PARTS = [
  ...['src/limits.ts', 'src/bytes.ts', 'src/cluster/types.ts', 'src/pbft', 'src/crypto', 'src/wire', 'src/merkle'],
  ...['src/cluster/registry.ts', 'src/cluster/errors.ts', 'src/histogram.ts'],
  ...['src/fileservice', 'replica/state', 'replica/journal', 'test/simulation'],
];
const DEFAULT_SEEDS = 200;
/** A mutant not caught by then has survived. */
const MUTANT_SEEDS = 300;
const TRANSCRIPT_LINES = 250;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    f: { type: 'string', default: '1' },
    jobs: { type: 'string', default: '2' },
    only: { type: 'string' },
    mutants: { type: 'boolean', default: false },
    sqlite: { type: 'boolean' },
    'power-loss': { type: 'boolean', default: false },
    'crash-at-every-write': { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
});

const directory = mkdtempSync(join(tmpdir(), 'byzfs-simulation-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));

const source = (name) => join(directory, 'source', name);
const program = (name) => join(directory, 'program', name, 'test/simulation/command-line.js');

/** Copies what is simulated; a mutant's copy differs in one place. */
function prepare(name, mutant) {
  for (const part of PARTS) {
    cpSync(join(ROOT, part), join(source(name), part), {
      recursive: true,
      filter: (file) => !file.endsWith('.test.ts'),
    });
  }
  if (mutant === undefined) return;
  const file = join(source(name), mutant.file);
  const text = readFileSync(file, 'utf8');
  const found = text.split(mutant.find).length - 1;
  if (found !== 1) throw new Error(`mutant "${mutant.name}": its text stands ${found} times in ${mutant.file}`);
  writeFileSync(
    file,
    text.replace(mutant.find, () => mutant.replace),
  );
}

/** Compiles all that was prepared, without checking types: `npm run typecheck` does. */
function compile() {
  const compilerOptions = {
    rootDir: 'source',
    outDir: 'program',
    noCheck: true,
    sourceMap: false,
    noUnusedLocals: false,
    typeRoots: [join(ROOT, 'node_modules/@types')],
  };
  const config = { extends: join(ROOT, 'tsconfig.json'), compilerOptions, include: ['source'] };
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify(config));
  mkdirSync(join(directory, 'program'), { recursive: true });
  if (!existsSync(join(directory, 'node_modules')))
    symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
  // tsc reads the module system of its input from the nearest package.json, and Node that of its output.
  writeFileSync(join(directory, 'package.json'), '{"type":"module"}');
  const { status } = spawnSync(process.execPath, [TSC, '-p', directory], { stdio: 'inherit' });
  if (status !== 0) process.exit(1);
}

/** Runs the seeds of one order, and yields what came of each. */
async function* run(name, order) {
  const child = spawn(process.execPath, ['--enable-source-maps', program(name), JSON.stringify(order)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = new Promise((resolve) => child.on('exit', resolve));
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      if (line.startsWith('{')) yield JSON.parse(line);
      else process.stdout.write(`${line}\n`);
    }
    const status = await exited;
    if (status !== 0) throw new Error(`the simulator itself failed with status ${status}`);
  } finally {
    // Nobody may want the rest.
    child.kill();
  }
}

function report({ seed, f, violation }) {
  const transcript = violation.transcript.split('\n').slice(-TRANSCRIPT_LINES).join('\n');
  if (!values.verbose) process.stdout.write(`${transcript}\n\n`);
  process.stdout.write(`seed ${seed}: ${violation.message}\n`);
  const flags = ['sqlite', 'power-loss'].filter((name) => values[name]).map((name) => ` --${name}`);
  process.stdout.write(`again: npm run simulate -- --seed ${seed} --f ${f}${flags.join('')}\n\n`);
}

const add = (total, part) => {
  for (const [key, value] of Object.entries(part)) total[key] = (total[key] ?? 0) + value;
};

async function sweep(from, count, f, jobs) {
  const begun = performance.now();
  const total = {};
  const failed = [];
  let done = 0;
  let simulatedMs = 0;
  const worker = async (job) => {
    const order = {
      f,
      from: from + job,
      to: from + count,
      step: jobs,
      mutant: false,
      verbose: false,
      sqlite,
      powerLoss,
    };
    for await (const outcome of run('protocol', order)) {
      done++;
      simulatedMs += outcome.simulatedMs;
      add(total, outcome.statistics);
      if (outcome.violation) {
        failed.push(outcome.seed);
        report(outcome);
      }
      if (done % 100 === 0) process.stdout.write(`${done} of ${count} seeds, ${failed.length} failed\n`);
    }
  };
  await Promise.all(Array.from({ length: jobs }, (_, job) => worker(job)));
  const seconds = (performance.now() - begun) / 1000;
  for (const [key, value] of Object.entries(total)) process.stdout.write(`${String(value).padStart(12)}  ${key}\n`);
  const rate = Math.round(total.events / seconds);
  process.stdout.write(
    `f = ${f}: ${count} seeds, ${Math.round(simulatedMs / 1000)} simulated seconds in ${seconds.toFixed(1)} s; ` +
      `${rate} events per second; ${failed.length} violations${failed.length > 0 ? `: seeds ${failed.join(' ')}` : ''}\n`,
  );
  return failed.length === 0;
}

/** Takes one order after the other, so many at a time. */
async function inParallel(orders, jobs, take) {
  const queue = [...orders];
  const worker = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) await take(next);
  };
  await Promise.all(Array.from({ length: jobs }, worker));
}

async function crashAtEveryWrite(kinds, jobs) {
  let failed = 0;
  await inParallel(kinds, jobs, async (crashes) => {
    const deaths = {};
    for await (const { moment, diedAt, violation, transcript } of run('protocol', { from: 0, to: 0, crashes })) {
      add(deaths, { [diedAt ?? 'none']: 1 });
      if (violation === undefined) continue;
      failed++;
      process.stdout.write(`${transcript}\n\nmoment ${moment}, ${JSON.stringify(crashes)}: ${violation}\n\n`);
    }
    const { death, synced } = crashes;
    const where = Object.entries(deaths).map(([write, times]) => `${times} at ${write}`);
    process.stdout.write(`${death}, ${synced ? 'synced' : 'buffered'}: ${where.join(', ')}\n`);
  });
  process.stdout.write(`${failed} violations\n`);
  return failed === 0;
}

const unmutated = new Map();

/** Whether the protocol as it is passes a seed: one that it fails proves nothing against a mutant. */
async function passes(seed, f) {
  const key = `${seed}/${f}`;
  if (!unmutated.has(key)) {
    const order = { f, from: seed, to: seed + 1, step: 1, mutant: true, verbose: false, sqlite: false };
    for await (const { violation } of run('protocol', order)) unmutated.set(key, violation === undefined);
  }
  return unmutated.get(key);
}

/** @returns the first seed at which a checker finds the mutant */
async function hunt(mutant, name, seeds) {
  const { f = 1 } = mutant;
  const order = { f, from: 1, to: 1 + seeds, step: 1, mutant: true, verbose: false, sqlite: false };
  let stopped = 0;
  for await (const outcome of run(name, order)) {
    if (outcome.stopped.length > 0) stopped++;
    if (outcome.caught && (await passes(outcome.seed, f))) {
      const { seed, attack, violation } = outcome;
      const [what] = violation.message.split('\n');
      const plan = attack ? `attack "${attack.name}"` : 'random faults';
      process.stdout.write(`caught    ${mutant.name}: seed ${seed}, ${plan}; checker of ${what.slice(0, 140)}\n`);
      return seed;
    }
  }
  const asserted = stopped > 0 ? ` (a replica stopped itself in ${stopped})` : '';
  process.stdout.write(`SURVIVED  ${mutant.name}: ${seeds} seeds${asserted}\n`);
  return undefined;
}

async function huntAll(mutants, seeds, jobs) {
  const caught = [];
  const survivors = [];
  await inParallel(mutants.entries(), jobs, async ([index, mutant]) => {
    const seed = await hunt(mutant, `mutant-${index}`, seeds);
    if (seed === undefined) survivors.push(mutant.name);
    else caught.push(seed);
  });
  const last = caught.length > 0 ? `, the last by seed ${Math.max(...caught)}` : '';
  process.stdout.write(`${caught.length} of ${mutants.length} mutants caught within ${seeds} seeds${last}\n`);
  if (survivors.length > 0) process.stdout.write(`survived: ${survivors.join('; ')}\n`);
  return survivors.length === 0;
}

const f = Number(values.f);
const { sqlite, 'power-loss': powerLoss } = values;
const jobs = Number(values.jobs);
if (!existsSync(join(ROOT, 'src/wire/generated')))
  spawnSync('npm', ['run', '--silent', 'generate'], { cwd: ROOT, stdio: 'inherit' });
prepare('protocol');
let passed = true;
if (values.mutants) {
  compile();
  const catalogue = join(directory, 'program/protocol/test/simulation/mutants/catalogue.js');
  const { MUTANTS } = await import(pathToFileURL(catalogue));
  const chosen = MUTANTS.filter(({ name }) => name.includes(values.only ?? ''));
  if (chosen.length === 0) throw new Error(`no mutant is called "${values.only}"`);
  for (const [index, mutant] of chosen.entries()) prepare(`mutant-${index}`, mutant);
  compile();
  passed = await huntAll(chosen, Number(values.seeds ?? MUTANT_SEEDS), jobs);
} else if (values['crash-at-every-write']) {
  compile();
  const { CRASHES } = await import(pathToFileURL(join(directory, 'program/protocol/test/simulation/crash-points.js')));
  passed = await crashAtEveryWrite(CRASHES, jobs);
} else if (values.seed !== undefined) {
  compile();
  const seed = Number(values.seed);
  const order = { f, from: seed, to: seed + 1, step: 1, mutant: false, verbose: values.verbose, sqlite, powerLoss };
  for await (const outcome of run('protocol', order)) {
    passed = outcome.violation === undefined;
    if (passed) process.stdout.write(`seed ${seed}: no violation; ${JSON.stringify(outcome.statistics)}\n`);
    else report(outcome);
  }
} else {
  compile();
  passed = await sweep(Number(values.from), Number(values.seeds ?? DEFAULT_SEEDS), f, jobs);
}
process.exitCode = passed ? 0 : 1;
