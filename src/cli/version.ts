/** `byzfs --version`: of the program, of what its processes speak, and of the state they keep (DESIGN 3.15). */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PROTOCOL_VERSION } from '../net/handshake.js';
import { stateSchema } from './rooms.js';

/** One line. */
export async function versionLine(): Promise<string> {
  const { SCHEMA_VERSION } = await stateSchema();
  return `byzfs ${packageVersion()}, protocol ${PROTOCOL_VERSION}, state schema ${SCHEMA_VERSION}\n`;
}

/** The package is some directories above this file, as source or as built. */
function packageVersion(): string {
  let directory = import.meta.dirname;
  while (!existsSync(join(directory, 'package.json'))) directory = dirname(directory);
  return (JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as { version: string }).version;
}
