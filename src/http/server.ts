/**
 * Serves a few documents to people and their tools. Whoever reaches the address is a stranger: connections, times, headers
 * and requests are bounded, so that none of them costs the process that serves much.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import type { HttpAddress } from './address.js';

export interface Document {
  type: string;
  body: string;
  headers?: Readonly<Record<string, string>>;
}

/** A question that has no answer: with what status, and a line that says why. */
export interface Refusal {
  refused: number;
  why: string;
}

/** @param query what followed the question mark */
export type Route = (query: URLSearchParams) => Document | Refusal | Promise<Document | Refusal>;

const HttpLimits = {
  connections: 64,
  headerBytes: 8192,
  requestMs: 5_000,
  idleMs: 5_000,
  requestsPerConnection: 1000,
  /** Of all connections together; what is above is refused, and its connection closed. */
  requestsPerSecond: 100,
} as const;

const HEADERS = {
  'X-Content-Type-Options': 'nosniff',
  'Cache-Control': 'no-store',
  'Referrer-Policy': 'no-referrer',
} as const;

export class HttpServer {
  private readonly server: Server;
  private allowance: number = HttpLimits.requestsPerSecond;
  private allowedAt = performance.now();

  /** @param routes by path */
  constructor(
    private readonly routes: Readonly<Record<string, Route>>,
    private readonly log: Logger,
  ) {
    const { connections, headerBytes, requestMs, idleMs, requestsPerConnection } = HttpLimits;
    this.server = createServer(
      {
        maxHeaderSize: headerBytes,
        requestTimeout: requestMs,
        headersTimeout: requestMs,
        keepAliveTimeout: idleMs,
        connectionsCheckingInterval: 1_000,
      },
      (request, response) => void this.answer(request, response),
    );
    this.server.maxConnections = connections;
    this.server.maxRequestsPerSocket = requestsPerConnection;
    // Who does not read what it asked for.
    this.server.setTimeout(2 * idleMs);
  }

  /** Serves from now on. Rejects, with the system's code, where it cannot listen there. */
  listen({ host, port }: HttpAddress): Promise<void> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(port, host, () => {
        this.server.off('error', reject);
        // Out of descriptors, for example: this connection is lost, not the server.
        this.server.on('error', (error) => this.log.debug({ err: error }, 'a page was not served'));
        this.server.unref();
        resolve();
      });
    });
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request;
    const hasBody = headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
    if (hasBody || !this.isAllowed()) {
      response.setHeader('Connection', 'close');
      return refuse(response, hasBody ? 413 : 429, hasBody ? 'no content is taken' : 'too many requests');
    }
    const [path, query = ''] = split(url);
    const route = Object.hasOwn(this.routes, path) ? this.routes[path] : undefined;
    if (route === undefined) return refuse(response, 404, 'nothing is here');
    if (method !== 'GET') {
      response.setHeader('Allow', 'GET');
      return refuse(response, 405, 'GET only');
    }
    try {
      const found = await route(new URLSearchParams(query));
      if ('refused' in found) return refuse(response, found.refused, found.why);
      const { type, body, headers: more } = found;
      response.writeHead(200, { ...HEADERS, 'Content-Type': type, 'Content-Length': Buffer.byteLength(body), ...more });
      response.end(body);
    } catch (error) {
      this.log.error({ err: error, path }, 'a page could not be made');
      if (!response.headersSent) refuse(response, 500, 'it could not be made: see the log');
    }
  }

  private isAllowed(): boolean {
    const now = performance.now();
    const { requestsPerSecond } = HttpLimits;
    const earned = ((now - this.allowedAt) / 1000) * requestsPerSecond;
    this.allowance = Math.min(requestsPerSecond, this.allowance + earned);
    this.allowedAt = now;
    if (this.allowance < 1) return false;
    this.allowance--;
    return true;
  }
}

function split(url: string): [path: string, query?: string] {
  const at = url.indexOf('?');
  return at < 0 ? [url] : [url.slice(0, at), url.slice(at + 1)];
}

function refuse(response: ServerResponse, status: number, why: string): void {
  const body = `${why}\n`;
  response.writeHead(status, {
    ...HEADERS,
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
  });
  response.end(body);
}
