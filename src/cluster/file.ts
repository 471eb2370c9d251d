/** `cluster.json`: what people read and edit, checked field by field before anything else sees it. */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { z } from 'zod';
import { checkPublicKey } from '../crypto/ed25519.js';
import { CLIENT_NAME } from '../fileservice/clients.js';
import { Limits } from '../limits.js';
import { ALL_OPTIMIZATIONS, type Optimizations } from '../pbft/configuration.js';
import { ClusterError, systemCode } from './errors.js';
import { clusterId } from './id.js';
import { layoutOf } from './layout.js';
import type { Cluster } from './types.js';

export const FORMAT = 'byzfs-cluster/1';

/** A year. */
export const MAX_RECOVERY_PERIOD_SECONDS = 365 * 86_400;

const KEY_TEXT = /^[A-Za-z0-9_-]{43}$/;
const HOST = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,252}[A-Za-z0-9])?$|^[0-9A-Fa-f:.]{2,45}$/;

const publicKey = z
  .string({ error: '43 base64url characters expected' })
  .regex(KEY_TEXT, '43 base64url characters expected')
  .transform((text) => Buffer.from(text, 'base64url'))
  .superRefine((key, context) => {
    const reason = checkPublicKey(key);
    if (reason !== null) context.addIssue({ code: 'custom', message: reason });
  });

/** A safe integer in low … high, with an error that says so. */
const integer = (low: number, high: number) => {
  const error = `an integer from ${low} to ${high} expected`;
  return z.int({ error }).min(low, error).max(high, error);
};

/** Of members, in the cluster file and on their cards. */
export const memberFields = {
  host: z.string({ error: 'a host name or address expected' }).regex(HOST, 'a host name or address expected'),
  port: integer(1, 65_535),
  publicKey,
  createdSeconds: integer(0, 2 ** 40),
};
const { host, port, createdSeconds } = memberFields;

const replicaEntry = z.strictObject({ id: integer(0, 3 * Limits.maxFaults), host, port, publicKey });

const clientEntry = z.strictObject({
  name: z
    .string({ error: 'a client name expected' })
    .regex(CLIENT_NAME, 'a client name is 1-63 of a-z 0-9 . _ - and starts with a letter or digit'),
  publicKey,
});

const onOrOff = z.boolean({ error: 'true or false expected' }).default(true);

const optimizations = z.strictObject({
  batching: onOrOff,
  tentativeExecution: onOrOff,
  digestReplies: onOrOff,
  deferredCommits: onOrOff,
  directReads: onOrOff,
  separateRequests: onOrOff,
} satisfies Record<keyof Optimizations, typeof onOrOff>);

const clusterFile = z.strictObject({
  format: z.literal(FORMAT, { error: `"${FORMAT}" expected: this release reads no other format` }),
  f: integer(0, Limits.maxFaults),
  replicas: z.array(replicaEntry, { error: 'a list of replicas expected' }),
  clients: z.array(clientEntry, { error: 'a list of clients expected' }).min(1, 'at least one client expected'),
  capacityBytes: integer(1024 * 1024, 2 ** 50),
  capacityInodes: integer(16, 2 ** 40),
  rootUid: integer(0, 2 ** 32 - 2),
  rootGid: integer(0, 2 ** 32 - 2),
  createdSeconds,
  durability: z.enum(['buffered', 'synced'], { error: '"buffered" or "synced" expected' }),
  requestAuthentication: z.enum(['signature', 'mac'], { error: '"signature" or "mac" expected' }),
  recoveryPeriodSeconds: integer(0, MAX_RECOVERY_PERIOD_SECONDS).default(0),
  encryption: z.enum(['auto', 'on', 'off'], { error: '"auto", "on" or "off" expected' }).default('auto'),
  ownerSignatures: integer(0, 3 * Limits.maxFaults + 1).default(0),
  optimizations: optimizations.default({ ...ALL_OPTIMIZATIONS }),
});

type ClusterFile = z.output<typeof clusterFile>;

/** `replicas[2].publicKey` for `['replicas', 2, 'publicKey']`. */
function fieldName(path: readonly PropertyKey[]): string {
  let name = '';
  for (const part of path)
    name += typeof part === 'number' ? `[${part}]` : name === '' ? String(part) : `.${String(part)}`;
  return name;
}

/** One line. */
export function describeIssue(issue: z.core.$ZodIssue): string {
  const field = fieldName(issue.path);
  const at = field === '' ? '' : `${field}: `;
  if (issue.code === 'unrecognized_keys') return `${at}unknown field "${issue.keys[0]}"`;
  if (issue.code === 'invalid_type' && issue.path.length === 0) return 'an object expected';
  return `${at}${issue.message}`;
}

/** First relation between fields that does not hold, as `field: why`; null if all do. */
function brokenRelation(file: ClusterFile): string | null {
  const n = 3 * file.f + 1;
  if (file.replicas.length !== n) return `replicas: ${n} expected for f = ${file.f}, ${file.replicas.length} listed`;
  const keys = new Map<string, string>();
  const addresses = new Map<string, string>();
  const repeated = (seen: Map<string, string>, value: string, field: string): string | null => {
    const earlier = seen.get(value);
    seen.set(value, field);
    return earlier === undefined ? null : `${field}: the same as ${earlier}: each member has its own`;
  };
  for (const [i, replica] of file.replicas.entries()) {
    if (replica.id !== i) return `replicas[${i}].id: ${i} expected, replicas are listed in order`;
    const broken =
      repeated(addresses, `${replica.host} ${replica.port}`, `replicas[${i}].port`) ??
      repeated(keys, replica.publicKey.toString('hex'), `replicas[${i}].publicKey`);
    if (broken !== null) return broken;
  }
  if (file.f === 0 && file.recoveryPeriodSeconds > 0) {
    return 'recoveryPeriodSeconds: 0 expected for f = 0: there is nobody to recover from';
  }
  if (file.ownerSignatures > n) return `ownerSignatures: ${n} at most: there is one owner a replica`;
  const names = new Map<string, string>();
  for (const [i, client] of file.clients.entries()) {
    const broken =
      repeated(names, client.name, `clients[${i}].name`) ??
      repeated(keys, client.publicKey.toString('hex'), `clients[${i}].publicKey`);
    if (broken !== null) return broken;
  }
  return null;
}

/**
 * @param text content of a cluster file
 * @param fileName how errors name it
 * @throws ClusterError `invalid`: one line with the first field that is wrong
 */
export function parseCluster(text: string, fileName: string): Cluster {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    const what = (error as Error).message.split('\n', 1)[0];
    throw new ClusterError(
      'invalid',
      `${fileName}: not JSON, or cut short: ${what}: copy it again from another machine of the cluster`,
    );
  }
  const parsed = clusterFile.safeParse(json);
  if (!parsed.success) throw new ClusterError('invalid', `${fileName}: ${describeIssue(parsed.error.issues[0])}`);
  const broken = brokenRelation(parsed.data);
  if (broken !== null) throw new ClusterError('invalid', `${fileName}: ${broken}`);
  const { format: _, clients, ...agreed } = parsed.data;
  const content = { ...agreed, clients: clients.map((client, id) => ({ id, ...client })) };
  return { id: clusterId(content), ...content };
}

/** Text of the cluster file that `parseCluster` reads back to an equal cluster. */
export function formatCluster(cluster: Cluster): string {
  const { id: _, f, replicas, clients, ...rest } = cluster;
  const file = {
    format: FORMAT,
    f,
    replicas: replicas.map((replica) => ({ ...replica, publicKey: replica.publicKey.toString('base64url') })),
    clients: clients.map(({ name, publicKey }) => ({ name, publicKey: publicKey.toString('base64url') })),
    ...rest,
  };
  return `${JSON.stringify(file, null, 2)}\n`;
}

/**
 * The cluster of a directory made by `byzfs init`.
 * @throws ClusterError
 */
export function loadCluster(directory: string): Cluster {
  const path = layoutOf(directory).clusterFile;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw new ClusterError(
        'missing',
        `${path}: not there: ${directory} is no cluster directory (byzfs init makes one)`,
      );
    }
    throw new ClusterError('unreadable', `${path}: cannot be read: ${code ?? String(error)}`);
  }
  return parseCluster(text, basename(path));
}
