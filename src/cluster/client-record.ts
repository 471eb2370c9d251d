/** What a client that was registered after the cluster was made needs beside its key: its number. `clients/NAME.json`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import { CLIENT_NAME } from '../fileservice/clients.js';
import { ClusterError, systemCode } from './errors.js';
import type { ClientEntry } from './types.js';

const FORMAT = 'byzfs-client/1';

const record = z.strictObject({
  format: z.literal(FORMAT),
  cluster: z.string().regex(/^[0-9a-f]{64}$/),
  id: z.int().min(0).max(0xffff_ffff),
  name: z.string().regex(CLIENT_NAME),
  publicKey: z.string().regex(/^[A-Za-z0-9_-]{43}$/),
});

export function writeClientRecord(path: string, cluster: Buffer, { id, name, publicKey }: ClientEntry): void {
  const key = publicKey.toString('base64url');
  const content = { format: FORMAT, cluster: cluster.toString('hex'), id, name, publicKey: key };
  writeFileSync(path, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o644, flush: true });
}

/**
 * @returns undefined: there is none
 * @throws ClusterError
 */
export function readClientRecord(path: string, cluster: Buffer): ClientEntry | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new ClusterError('unreadable', `${path}: cannot be read: ${code ?? String(error)}`);
  }
  const parsed = record.safeParse(parsedJson(text));
  if (!parsed.success) throw new ClusterError('invalid', `${path}: no record of a client: byzfs client add makes one`);
  const { id, name, publicKey } = parsed.data;
  if (parsed.data.cluster !== cluster.toString('hex')) {
    throw new ClusterError('invalid', `${path}: the record of a client of another cluster`);
  }
  return { id, name, publicKey: Buffer.from(publicKey, 'base64url') };
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
