/** A cluster file as the status page reads it: by whoever served it, and worth what its digest is. */
import { sha256 } from '@noble/hashes/sha2.js';
import { type Agreed, writeCluster } from '../cluster/digest.js';
import { PlainWriter } from './byte-writer.js';
import { count, flag, integer, list, Misshapen, matching, object, oneOf, type Reader, text } from './shape.js';

export interface KnownCluster extends Agreed {
  /** 32 bytes, computed from all the rest. */
  id: Uint8Array;
}

const MOST_FAULTS = 3;

const key: Reader<Uint8Array> = (value, at) => {
  const given = matching(/^[A-Za-z0-9_-]{43}$/)(value, at);
  const binary = atob(given.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
};

const file = object<Agreed & { format: string }>({
  format: oneOf('byzfs-cluster/1'),
  f: integer(0, MOST_FAULTS),
  replicas: list(
    object({ id: integer(0, 3 * MOST_FAULTS), host: text(255), port: integer(1, 65_535), publicKey: key }),
    3 * MOST_FAULTS + 1,
  ),
  clients: (value, at) =>
    list(object({ name: text(63), publicKey: key }), 100_000)(value, at).map((client, id) => ({ id, ...client })),
  ...{ capacityBytes: count, capacityInodes: count, createdSeconds: count },
  ...{ rootUid: integer(0, 2 ** 32 - 1), rootGid: integer(0, 2 ** 32 - 1) },
  durability: oneOf('buffered', 'synced'),
  requestAuthentication: oneOf('signature', 'mac'),
  recoveryPeriodSeconds: count,
  encryption: oneOf('auto', 'on', 'off'),
  ownerSignatures: integer(0, 3 * MOST_FAULTS + 1),
  optimizations: object({
    ...{ batching: flag, tentativeExecution: flag, digestReplies: flag },
    ...{ deferredCommits: flag, directReads: flag, separateRequests: flag },
  }),
});

/**
 * @param content as `formatCluster` writes it, every field there
 * @throws Misshapen, SyntaxError
 */
export function readCluster(content: string): KnownCluster {
  const { format: _, ...agreed } = file(JSON.parse(content), '');
  if (agreed.replicas.length !== 3 * agreed.f + 1) throw new Misshapen('replicas');
  for (const [i, { id }] of agreed.replicas.entries()) if (id !== i) throw new Misshapen(`replicas.${i}.id`);
  return { id: sha256(writeCluster(new PlainWriter(), agreed).finish()), ...agreed };
}
