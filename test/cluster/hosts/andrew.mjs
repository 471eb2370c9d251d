// andrew.mjs DIRECTORY COPIES [UNITS_A_MODULE MODULE...]: the Andrew benchmark in DIRECTORY, whose trees stay there, checked
// byte by byte. Prints the seconds of each phase as JSON.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { runPhases, writeSource } from '../../../dist/bench/andrew/phases.js';
import { generateTree } from '../../../dist/bench/andrew/tree.js';

const [work, copies, unitsAModule, ...modules] = process.argv.slice(2);
const tree = unitsAModule === undefined ? generateTree() : generateTree(undefined, Number(unitsAModule), modules);
const source = fs.mkdtempSync(path.join(os.tmpdir(), 'byzfs-andrew-source-'));
try {
  writeSource(tree, source);
  const times = await runPhases({ tree, source, work, copies: Number(copies), step: async () => undefined });
  process.stdout.write(`${JSON.stringify(Object.fromEntries(times.map(({ name, seconds }) => [name, seconds])))}\n`);
} finally {
  fs.rmSync(source, { recursive: true, force: true });
}
