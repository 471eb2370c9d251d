/** A change that waits for owners' signatures, as a file that is sent from one to the next. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import { ByteReader } from '../../bytes.js';
import type { Cluster, Identity } from '../../cluster/types.js';
import { SigningKey, VerifyingKey } from '../../crypto/ed25519.js';
import { Signables } from '../../crypto/signables.js';
import { type Approval, type Change, encodeChange, readChange } from '../../fileservice/clients.js';
import { CommandError, oneLine } from '../errors.js';

const FORMAT = 'byzfs-change/1';
const BASE64URL = /^[A-Za-z0-9_-]*$/;

const file = z.strictObject({
  format: z.literal(FORMAT),
  cluster: z.string(),
  version: z.int().nonnegative(),
  change: z.string().regex(BASE64URL),
  signatures: z.array(z.strictObject({ replica: z.int().nonnegative(), signature: z.string().regex(BASE64URL) })),
});

export interface Proposal {
  version: number;
  change: Change;
  /** In order of the owners. */
  approvals: Approval[];
}

export function writeProposal(path: string, cluster: Cluster, { version, change, approvals }: Proposal): void {
  const content = {
    ...{ format: FORMAT, cluster: cluster.id.toString('hex'), version },
    change: encodeChange(change).toString('base64url'),
    signatures: approvals.map(({ replica, signature }) => ({ replica, signature: signature.toString('base64url') })),
  };
  writeFileSync(`${path}.new`, `${JSON.stringify(content, null, 2)}\n`, { flush: true });
  renameSync(`${path}.new`, path);
}

/** @throws CommandError */
export function readProposal(path: string, cluster: Cluster): Proposal {
  try {
    const { version, change, signatures, ...whose } = file.parse(JSON.parse(readFileSync(path, 'utf8')));
    if (whose.cluster !== cluster.id.toString('hex')) throw new Error('it is of another cluster');
    const r = new ByteReader(Buffer.from(change, 'base64url'));
    const read = readChange(r);
    r.end();
    const approvals = signatures.map(({ replica, signature }) => ({
      replica,
      signature: Buffer.from(signature, 'base64url'),
    }));
    return { version, change: read, approvals: approvals.sort((a, b) => a.replica - b.replica) };
  } catch (error) {
    const why =
      error instanceof z.ZodError || error instanceof SyntaxError ? 'it is no proposed change' : oneLine(error);
    throw new CommandError(`${path}: ${why}`);
  }
}

const signedOf = (cluster: Cluster, { version, change }: Proposal): Uint8Array =>
  new Signables(cluster.id).administration(version, encodeChange(change));

export function signProposal(cluster: Cluster, proposal: Proposal, { id, seed }: Identity): Proposal {
  const signature = new SigningKey(seed).sign(signedOf(cluster, proposal));
  const others = proposal.approvals.filter(({ replica }) => replica !== id);
  const approvals = [...others, { replica: id, signature }].sort((a, b) => a.replica - b.replica);
  return { ...proposal, approvals };
}

/** @throws CommandError: a signature is not that of whose it is said to be, or there are too few */
export function checkSigned(cluster: Cluster, proposal: Proposal): void {
  const signed = signedOf(cluster, proposal);
  for (const { replica, signature } of proposal.approvals) {
    const key = cluster.replicas[replica]?.publicKey;
    if (key !== undefined && new VerifyingKey(key).verify(signed, signature)) continue;
    throw new CommandError(`the signature of replica ${replica}'s owner is wrong: it has to be made anew`);
  }
  const missing = cluster.ownerSignatures - proposal.approvals.length;
  if (missing > 0) throw new CommandError(`${missing} more owners have to sign it: byzfs client sign`);
}
