/**
 * A card: what a future member of a cluster tells the others of itself, signed with its own key, so that a card that was
 * edited on its way is noticed. That it is that member's is for people to know, who compare the cluster's digest.
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { ByteWriter } from '../bytes.js';
import { SigningKey, VerifyingKey } from '../crypto/ed25519.js';
import { NO_CLUSTER, Signables } from '../crypto/signables.js';
import { CLIENT_NAME } from '../fileservice/clients.js';
import { ClusterError, systemCode } from './errors.js';
import { describeIssue, memberFields } from './file.js';

const FORMAT = 'byzfs-card/1';

interface Member {
  name: string;
  /** When the card was made, since 1970. */
  createdSeconds: number;
  publicKey: Buffer;
}

export interface ReplicaCard extends Member {
  role: 'replica';
  host: string;
  port: number;
}

export interface ClientCard extends Member {
  role: 'client';
}

export type Card = ReplicaCard | ClientCard;

const format = z.literal(FORMAT, { error: `"${FORMAT}" expected: this release reads no other format` });
const { createdSeconds, publicKey, host, port } = memberFields;
const NAME_RULE = 'a name of 1-63 of a-z 0-9 . _ - expected, a letter or digit first';
const name = z.string({ error: NAME_RULE }).regex(CLIENT_NAME, NAME_RULE);
const signature = z
  .string({ error: '86 base64url characters expected' })
  .regex(/^[A-Za-z0-9_-]{86}$/, '86 base64url characters expected')
  .transform((text) => Buffer.from(text, 'base64url'));
const common = { format, name, createdSeconds, publicKey, signature };

const card = z.discriminatedUnion(
  'role',
  [
    z.strictObject({ role: z.literal('replica'), host, port, ...common }),
    z.strictObject({ role: z.literal('client'), ...common }),
  ],
  { error: '"replica" or "client" expected' },
);

function signedOf(card: Card): Uint8Array {
  const w = new ByteWriter().bytes(Buffer.from(card.role)).bytes(Buffer.from(card.name)).u64(card.createdSeconds);
  if (card.role === 'replica') w.bytes(Buffer.from(card.host)).u16(card.port);
  return new Signables(NO_CLUSTER).card(w.raw(card.publicKey).finish());
}

/** Text of a card. */
export function formatCard(card: Card, seed: Buffer): string {
  const { publicKey, ...shown } = card;
  const signature = new SigningKey(seed).sign(signedOf(card));
  const content = { format: FORMAT, ...shown, publicKey: publicKey.toString('base64url') };
  return `${JSON.stringify({ ...content, signature: signature.toString('base64url') }, null, 2)}\n`;
}

/** @throws ClusterError `invalid` */
export function parseCard(text: string, fileName: string): Card {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new ClusterError('invalid', `${fileName}: no card, or cut short: ask its owner for it again`);
  }
  const parsed = card.safeParse(json);
  if (!parsed.success) throw new ClusterError('invalid', `${fileName}: ${describeIssue(parsed.error.issues[0])}`);
  const { format: _, signature, ...content } = parsed.data;
  if (!new VerifyingKey(content.publicKey).verify(signedOf(content), signature)) {
    throw new ClusterError(
      'invalid',
      `${fileName}: not signed by its own key: it was changed after it was made: ask its owner for it again`,
    );
  }
  return content;
}

/** @throws ClusterError */
export function readCard(path: string): Card {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new ClusterError('unreadable', `${path}: cannot be read: ${systemCode(error) ?? String(error)}`);
  }
  return parseCard(text, path);
}
