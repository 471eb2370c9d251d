import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { describeAll, describeOne, toJson } from '../../../src/cli/client/describe.js';
import { checkSigned, readProposal, signProposal, writeProposal } from '../../../src/cli/client/proposal.js';
import {
  byteCount,
  idRanges,
  rightsOf,
  showBytes,
  showRanges,
  userAndGroup,
} from '../../../src/cli/client/rights-options.js';
import { newCluster } from '../../../src/cluster/create.js';
import type { Change, RegisteredClient } from '../../../src/fileservice/clients.js';
import { ALL_RIGHTS } from '../../../src/fileservice/rights.js';

describe('rights on the command line', () => {
  it('are ranges of numbers', () => {
    expect(idRanges('5,1000-1999,6')).toEqual([
      { low: 5, high: 6 },
      { low: 1000, high: 1999 },
    ]);
    expect(showRanges(idRanges('5,1000-1999,6'))).toBe('5-6,1000-1999');
    expect(idRanges('any')).toEqual(ALL_RIGHTS.uids);
    for (const wrong of ['', '1-', '9-3', '-1', '1,,2', 'root', '4294967295', '0x5']) {
      expect(() => idRanges(wrong)).toThrow('1000-1999,5');
    }
  });

  it('are users, and bytes', () => {
    expect(userAndGroup('0:65534')).toEqual({ uid: 0, gid: 65_534 });
    for (const wrong of ['5', ':5', '5:', '5:-1', '5:5:5']) expect(() => userAndGroup(wrong)).toThrow('UID:GID');
    expect(['7', '500M', '10G', '1T'].map(byteCount)).toEqual([7, 500 << 20, 10 * 2 ** 30, 2 ** 40]);
    for (const wrong of ['', '1.5G', '5KB', '-1', '9999T']) expect(() => byteCount(wrong)).toThrow('Bytes expected');
    expect([7, 1536, 500 << 20, 2 ** 40].map(showBytes)).toEqual(['7', '1536', '500M', '1T']);
  });

  it('are all that are not taken away', () => {
    expect(rightsOf({}, undefined)).toEqual(ALL_RIGHTS);
    expect(rightsOf({ rootSquash: true }, undefined).squash).toEqual({ whom: 'root', uid: 65_534, gid: 65_534 });
    expect(rightsOf({ quotaInodes: 5 }, undefined).quota).toEqual({ bytes: 2 ** 50, inodes: 5 });
    expect(() => rightsOf({ rootSquash: true, squash: { uid: 1, gid: 1 } }, undefined)).toThrow('leave --root-squash');
  });

  it('are shown', () => {
    const client: RegisteredClient = {
      ...{ id: 3, name: 'laptop', publicKey: Buffer.alloc(32), since: { seconds: 0, nanoseconds: 5 } },
      ...{ revoked: { seconds: 60, nanoseconds: 0 }, usedBytes: 7, usedInodes: 1 },
      rights: rightsOf({ readOnly: true, quota: 1024, rate: 50 }, { ino: 9, generation: 1, path: '/a' }),
    };
    expect(toJson(client)).toMatchObject({
      since: '1970-01-01T00:00:00Z',
      subtree: { path: '/a', ino: 9 },
      uids: 'any',
      rate: 50,
    });
    expect(describeAll([client])).toContain(
      'revoked 1970-01-01T00:01:00Z  any   any   none    read-only  /a       1K     50/s',
    );
    expect(describeOne(client)).toContain('used     7 of 1K bytes, 1 of unlimited inodes\n');
    expect(describeOne(client)).toContain('rate     50 calls a second\n');
  });
});

describe('a proposed change', () => {
  const options = { replicas: 4, hosts: ['h'], basePort: 1, clientNames: ['admin'], rootUid: 0, rootGid: 0 };
  const { cluster, replicaSeeds } = newCluster({ ...options, createdSeconds: 0, ownerSignatures: 2 });
  const directory = mkdtempSync(join(tmpdir(), 'byzfs-test-'));
  afterAll(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'change.json');
  const change: Change = { kind: 'revoke', name: 'laptop' };
  const owner = (id: number) => ({ role: 'replica', id, seed: replicaSeeds[id] }) as const;

  it('gathers signatures in a file, one of each owner', () => {
    writeProposal(file, cluster, { version: 7, change, approvals: [] });
    for (const id of [3, 0, 3]) {
      writeProposal(file, cluster, signProposal(cluster, readProposal(file, cluster), owner(id)));
      if (id === 3) continue;
      expect(readProposal(file, cluster).approvals.map(({ replica }) => replica)).toEqual([0, 3]);
    }
    const read = readProposal(file, cluster);
    expect(read).toMatchObject({ version: 7, change, approvals: [{ replica: 0 }, { replica: 3 }] });
    checkSigned(cluster, read);
    expect(() => checkSigned(cluster, { ...read, approvals: read.approvals.slice(1) })).toThrow('1 more owners');
    expect(() => checkSigned(cluster, { ...read, version: 8 })).toThrow("replica 0's owner is wrong");
  });

  it('is refused if it is none, or of another cluster', () => {
    const text = readFileSync(file, 'utf8');
    const other = { ...cluster, id: Buffer.alloc(32) };
    expect(() => readProposal(file, other)).toThrow(/change\.json: it is of another cluster$/);
    for (const wrong of ['', '{}', text.replace('"version": 7', '"version": -7')]) {
      writeFileSync(file, wrong);
      expect(() => readProposal(file, cluster)).toThrow(/change\.json: it is no proposed change$/);
    }
    expect(() => readProposal(join(directory, 'none'), cluster)).toThrow(/none: ENOENT/);
  });
});
