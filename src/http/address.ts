/** Where something is served to people and their tools, never where replicas agree. */

export interface HttpAddress {
  host: string;
  port: number;
}

const LOOPBACK = '127.0.0.1';
const ADDRESS = /^(?:(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9])?)):)?(\d{1,5})$/;

/** `HOST:PORT`, `[v6]:PORT`, or `PORT` on the loopback interface; null if it is none of them. */
export function parseHttpAddress(text: string): HttpAddress | null {
  const [, v6, name, port] = ADDRESS.exec(text) ?? [];
  if (port === undefined || Number(port) < 1 || Number(port) > 65_535) return null;
  return { host: v6 ?? name ?? LOOPBACK, port: Number(port) };
}

export const formatHttpAddress = ({ host, port }: HttpAddress): string =>
  `${host.includes(':') ? `[${host}]` : host}:${port}`;

export const HTTP_ADDRESS_EXPECTED = 'HOST:PORT, or PORT on the loopback interface, expected';
