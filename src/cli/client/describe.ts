/** Clients and changes of them, for people and for machines. */
import type { Change, RegisteredClient } from '../../fileservice/clients.js';
import type { Rights } from '../../fileservice/rights.js';
import type { Time } from '../../fileservice/types.js';
import { table } from '../table.js';
import { pathOf, showBytes, showInodes, showRanges, showSquash } from './rights-options.js';

const when = ({ seconds }: Time): string => new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');

/** A contract: one element of `byzfs client list --json`, and `byzfs client show --json`. */
export function toJson({ id, name, publicKey, rights, since, revoked, usedBytes, usedInodes }: RegisteredClient) {
  const { uids, gids, squash, readOnly, subtree, quota, rate } = rights;
  return {
    ...{ id, name, publicKey: publicKey.toString('base64url') },
    ...{ since: when(since), revoked: revoked === undefined ? null : when(revoked) },
    ...{ uids: showRanges(uids), gids: showRanges(gids), squash: squash ?? null, readOnly },
    subtree: subtree === undefined ? null : { ...subtree, path: pathOf(subtree) },
    quota: quota === undefined ? null : { ...quota, usedBytes, usedInodes },
    rate: rate ?? null,
  };
}

const limits = ({ subtree, quota, readOnly, rate }: Rights): string[] => [
  readOnly ? 'read-only' : 'read-write',
  subtree === undefined ? '/' : pathOf(subtree),
  quota === undefined ? '-' : showBytes(quota.bytes),
  rate === undefined ? '-' : `${rate}/s`,
];

export function describeAll(clients: readonly RegisteredClient[]): string {
  const rows = clients.map(({ id, name, rights, revoked }) => [
    ...[String(id), name, revoked === undefined ? 'registered' : `revoked ${when(revoked)}`],
    ...[showRanges(rights.uids), showRanges(rights.gids), showSquash(rights.squash), ...limits(rights)],
  ]);
  return table(['number', 'name', 'standing', 'uids', 'gids', 'squash', 'access', 'subtree', 'quota', 'rate'], rows);
}

export function describeOne(client: RegisteredClient): string {
  const { id, name, publicKey, rights, since, revoked, usedBytes, usedInodes } = client;
  const { quota } = rights;
  const used =
    quota && `${usedBytes} of ${showBytes(quota.bytes)} bytes, ${usedInodes} of ${showInodes(quota.inodes)} inodes`;
  const lines: [string, string | undefined][] = [
    ['client', `${id} ${name}`],
    ['key', publicKey.toString('base64url')],
    ['since', when(since)],
    ['revoked', revoked && when(revoked)],
    ...linesOf(rights),
    ['used', used],
  ];
  return linesAsText(lines);
}

/** What an owner is asked to sign. */
export function describeChange(change: Change): string {
  if (change.kind === 'revoke') return linesAsText([['revoke', change.name]]);
  const { name, publicKey, rights } = change;
  return linesAsText([['register', name], ['key', publicKey.toString('base64url')], ...linesOf(rights)]);
}

function linesOf({ uids, gids, squash, readOnly, subtree, quota, rate }: Rights): [string, string | undefined][] {
  return [
    ['uids', showRanges(uids)],
    ['gids', showRanges(gids)],
    ['squash', showSquash(squash)],
    ['access', readOnly ? 'read-only' : 'read-write'],
    ['subtree', subtree === undefined ? '/' : `${pathOf(subtree)} (inode ${subtree.ino}, wherever it is moved)`],
    ['quota', quota && `${showBytes(quota.bytes)} bytes, ${showInodes(quota.inodes)} inodes`],
    ['rate', rate === undefined ? undefined : `${rate} calls a second`],
  ];
}

const linesAsText = (lines: readonly [string, string | undefined][]): string =>
  lines.map(([title, text]) => (text === undefined ? '' : `${title.padEnd(9)}${text}\n`)).join('');
