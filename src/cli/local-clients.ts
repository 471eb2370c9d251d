/** The clients whose keys this machine has. */
import { readdirSync } from 'node:fs';
import { layoutOf } from '../cluster/layout.js';

/** Names, in order. */
export function clientsHere(directory: string): string[] {
  try {
    const files = readdirSync(layoutOf(directory).clients).filter((file) => file.endsWith('.key'));
    return files.map((file) => file.slice(0, -'.key'.length)).sort();
  } catch {
    return [];
  }
}
