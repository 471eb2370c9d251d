// Fills, lists and disturbs a large directory: node entries.mjs make|list|disturb DIRECTORY ...
import fs from 'node:fs';
import path from 'node:path';

const [what, directory, ...args] = process.argv.slice(2);
const numbers = args.map(Number);

function make(part, parts, count) {
  for (let i = part; i < count; i += parts) fs.closeSync(fs.openSync(path.join(directory, `stays-${i}`), 'wx'));
}

/** By getdents, some entries at a time. Twice. */
async function list(count) {
  for (let round = 0; round < 2; round++) {
    const seen = new Map();
    for await (const { name } of await fs.promises.opendir(directory, { bufferSize: 256 })) {
      seen.set(name, (seen.get(name) ?? 0) + 1);
    }
    for (let i = 0; i < count; i++) {
      const times = seen.get(`stays-${i}`) ?? 0;
      if (times !== 1) throw new Error(`stays-${i} was listed ${times} times`);
    }
  }
}

/** Makes names, and removes half of them, some of them in the room of others. */
function disturb(count) {
  for (let i = 0; i < count; i++) {
    fs.closeSync(fs.openSync(path.join(directory, `goes-${i}`), 'wx'));
    if (i % 2 === 1) fs.unlinkSync(path.join(directory, `goes-${i - 1}`));
  }
}

if (what === 'make') make(...numbers);
else if (what === 'list') await list(...numbers);
else disturb(...numbers);
