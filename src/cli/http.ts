/** Options of what is served over HTTP, and where the replicas are taken to serve theirs. */
import { InvalidArgumentError, Option } from 'commander';
import type { Cluster } from '../cluster/types.js';
import { formatHttpAddress, HTTP_ADDRESS_EXPECTED, type HttpAddress, parseHttpAddress } from '../http/address.js';
import { UsageError } from './errors.js';

const ANY_ADDRESS = ['0.0.0.0', '::'];

function httpAddress(text: string): HttpAddress {
  const address = parseHttpAddress(text);
  if (address === null) throw new InvalidArgumentError(`${HTTP_ADDRESS_EXPECTED}.`);
  return address;
}

/** Also by the environment, which is where a unit of systemd sets it. */
export const httpOption = (what: string): Option =>
  new Option('--http <host:port>', `${what}; a port alone is on the loopback interface`)
    .env('BYZFS_HTTP')
    .argParser(httpAddress);

export const httpPeersOption = (): Option =>
  new Option('--http-peers <host:port,...>', 'where each replica does so, in order, for the status page')
    .env('BYZFS_HTTP_PEERS')
    .argParser((text) => text.split(',').map(httpAddress));

/** Arguments that say the same to another process. */
export function httpArguments(http?: HttpAddress, peers?: readonly HttpAddress[]): string[] {
  return [
    ...(http === undefined ? [] : ['--http', formatHttpAddress(http)]),
    ...(peers === undefined ? [] : ['--http-peers', peers.map(formatHttpAddress).join(',')]),
  ];
}

/**
 * URLs of all replicas, by what one of them is told. Where nothing else is said: on one machine at consecutive ports, as
 * `byzfs up` has it; on several at their hosts and the same port.
 */
export function httpPeers(
  { replicas }: Cluster,
  { id, http, peers }: { id: number; http: HttpAddress; peers?: readonly HttpAddress[] },
): string[] {
  if (peers !== undefined) {
    if (peers.length === replicas.length) return peers.map((peer) => `http://${formatHttpAddress(peer)}`);
    throw new UsageError(`--http-peers names ${peers.length} replicas: there are ${replicas.length}`);
  }
  const onOneMachine = replicas.every(({ host }) => host === replicas[0].host);
  const own = ANY_ADDRESS.includes(http.host) ? replicas[0].host : http.host;
  return replicas.map((replica) => {
    const address = onOneMachine
      ? { host: own, port: http.port + replica.id - id }
      : { host: replica.host, port: http.port };
    return `http://${formatHttpAddress(address)}`;
  });
}
