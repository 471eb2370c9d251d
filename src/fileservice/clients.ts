/**
 * Who may speak to the service: clients as they are registered in the replicated state, and what an administrator may
 * change of that.
 */
import { type ByteReader, ByteWriter, MalformedBytes } from '../bytes.js';
import { readTime, writeTime } from './fields.js';
import { type Rights, readRights, writeRights } from './rights.js';
import type { Time } from './types.js';

/** Names become file names and appear in logs: nothing in them needs quoting. */
export const CLIENT_NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;

export const ClientLimits = {
  nameBytes: 63,
  /** Ever registered: a number is never given again. */
  clients: 65_536,
  /** In one answer to `clients`. */
  listed: 64,
  approvals: 16,
} as const;

const PUBLIC_KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;

export interface RegisteredClient {
  /** Its number in every message. */
  id: number;
  name: string;
  /** Ed25519, 32 bytes. */
  publicKey: Buffer;
  rights: Rights;
  /** Agreed time of its registration. */
  since: Time;
  /** Agreed time from which it has no rights any more; undefined: it has them. */
  revoked: Time | undefined;
  /** Space and inodes of what it made, counted where it has a quota. */
  usedBytes: number;
  usedInodes: number;
}

/** What only administrators may change, and, where the cluster wants that, only with owners' consent. */
export type Change =
  | { kind: 'register'; name: string; publicKey: Buffer; rights: Rights }
  /** Of the client that has the name now. It is for good: its key will not be registered again. */
  | { kind: 'revoke'; name: string };

/** An owner's signature under a change: `Signables.administration`. */
export interface Approval {
  replica: number;
  signature: Buffer;
}

const readName = (r: ByteReader): string => {
  const name = r.bytes(ClientLimits.nameBytes).toString('latin1');
  if (!CLIENT_NAME.test(name)) throw new MalformedBytes('a name that is none');
  return name;
};

const writeName = (w: ByteWriter, name: string): ByteWriter => w.bytes(Buffer.from(name, 'latin1'));

export function writeClient(w: ByteWriter, client: RegisteredClient): void {
  writeName(w.u32(client.id), client.name).raw(client.publicKey);
  writeRights(w, client.rights);
  writeTime(w, client.since);
  w.bool(client.revoked !== undefined);
  if (client.revoked !== undefined) writeTime(w, client.revoked);
  w.u64(client.usedBytes).u64(client.usedInodes);
}

export function readClient(r: ByteReader): RegisteredClient {
  const who = { id: r.u32(), name: readName(r), publicKey: Buffer.from(r.raw(PUBLIC_KEY_BYTES)) };
  const row = { ...who, rights: readRights(r), since: readTime(r), revoked: r.bool() ? readTime(r) : undefined };
  return { ...row, usedBytes: r.u64(), usedInodes: r.u64() };
}

export function writeChange(w: ByteWriter, change: Change): void {
  w.bool(change.kind === 'revoke');
  writeName(w, change.name);
  if (change.kind === 'revoke') return;
  w.raw(change.publicKey);
  writeRights(w, change.rights);
}

export function readChange(r: ByteReader): Change {
  const isRevocation = r.bool();
  const name = readName(r);
  if (isRevocation) return { kind: 'revoke', name };
  return { kind: 'register', name, publicKey: Buffer.from(r.raw(PUBLIC_KEY_BYTES)), rights: readRights(r) };
}

/** What owners sign, and what they are sent to see. */
export function encodeChange(change: Change): Buffer {
  const w = new ByteWriter(256);
  writeChange(w, change);
  return w.finish();
}

export function writeApprovals(w: ByteWriter, approvals: readonly Approval[]): void {
  w.u8(approvals.length);
  for (const { replica, signature } of approvals) w.u8(replica).raw(signature);
}

/** In order of the owners, one each. */
export function readApprovals(r: ByteReader): Approval[] {
  const count = r.u8();
  if (count > ClientLimits.approvals) throw new MalformedBytes(`${count} approvals`);
  let last = -1;
  return Array.from({ length: count }, () => {
    const approval = { replica: r.u8(), signature: Buffer.from(r.raw(SIGNATURE_BYTES)) };
    if (approval.replica <= last) throw new MalformedBytes('approvals out of order');
    last = approval.replica;
    return approval;
  });
}
