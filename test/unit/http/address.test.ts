import { describe, expect, it } from 'vitest';
import { httpArguments, httpPeers } from '../../../src/cli/http.js';
import { newCluster } from '../../../src/cluster/create.js';
import { parseHttpAddress } from '../../../src/http/address.js';

const clusterOn = (...hosts: string[]) =>
  newCluster({
    ...{ replicas: 4, hosts, basePort: 7400, clientNames: ['admin'], rootUid: 0, rootGid: 0, createdSeconds: 0 },
  }).cluster;

describe('an address to serve pages at', () => {
  it.each([
    ['9100', { host: '127.0.0.1', port: 9100 }],
    ['10.0.0.7:9100', { host: '10.0.0.7', port: 9100 }],
    ['a.example:80', { host: 'a.example', port: 80 }],
    ['[::1]:9100', { host: '::1', port: 9100 }],
  ])('is %s', (text, address) => {
    expect(parseHttpAddress(text)).toEqual(address);
    const [, written] = httpArguments(address);
    expect(parseHttpAddress(written)).toEqual(address);
  });

  it.each([
    '',
    '0',
    '65536',
    'x',
    ':9100',
    '10.0.0.7',
    '10.0.0.7:',
    '::1:9100',
    'a b:1',
    'a:1 ',
    'http://a:1',
    "a';:1",
    '-a:1',
  ])('is not %j', (text) => expect(parseHttpAddress(text)).toBeNull());
});

describe('where the others serve theirs', () => {
  it('is at consecutive ports on one machine', () => {
    const one = clusterOn('127.0.0.1');
    const expected = [9100, 9101, 9102, 9103].map((port) => `http://127.0.0.1:${port}`);
    expect(httpPeers(one, { id: 2, http: { host: '127.0.0.1', port: 9102 } })).toEqual(expected);
    const lan = clusterOn('10.0.0.1');
    expect(httpPeers(lan, { id: 0, http: { host: '0.0.0.0', port: 80 } })[3]).toBe('http://10.0.0.1:83');
  });

  it('is at one port on several', () => {
    const several = clusterOn('10.0.0.1', '10.0.0.2', '10.0.0.3', '::4');
    expect(httpPeers(several, { id: 2, http: { host: '0.0.0.0', port: 9100 } })).toEqual([
      ...['http://10.0.0.1:9100', 'http://10.0.0.2:9100', 'http://10.0.0.3:9100', 'http://[::4]:9100'],
    ]);
  });

  it('is where it is said to be, of each', () => {
    const cluster = clusterOn('127.0.0.1');
    const http = { host: '127.0.0.1', port: 1 };
    const peers = [5, 6, 7, 8].map((port) => ({ host: 'tunnel', port }));
    expect(httpPeers(cluster, { id: 0, http, peers })[3]).toBe('http://tunnel:8');
    expect(() => httpPeers(cluster, { id: 0, http, peers: peers.slice(1) })).toThrow(
      '--http-peers names 3 replicas: there are 4',
    );
  });
});
