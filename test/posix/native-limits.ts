/** The cases of the map that docs/FUSE-NATIVE.md says a mount with kernel=fuse-native does not pass. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const DOCUMENT = join(import.meta.dirname, '../../docs/FUSE-NATIVE.md');
const HEADING = '## Cases it does not pass';

/** The first column of the table under the heading. */
export function beyondFuseNative(): string[] {
  const [, section] = readFileSync(DOCUMENT, 'utf8').split(`${HEADING}\n`);
  const rows = section.split('\n## ')[0].matchAll(/^\| (?!case |-)(.+?) +\|/gm);
  return [...rows].map(([, name]) => name);
}
