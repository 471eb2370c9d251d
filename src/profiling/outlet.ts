/** How the figures of a process get out, while it runs: whoever connects to a socket of the file system is given them. */
import { mkdirSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { dirname } from 'node:path';

/** @param path as long as sun_path may be at most: 107 bytes */
export function offerFigures(path: string, figures: () => object): void {
  mkdirSync(dirname(path), { recursive: true });
  rmSync(path, { force: true });
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.end(JSON.stringify(figures()));
  });
  server.listen(path).unref();
}

/** @throws system errors, SyntaxError: nobody is there, or not whole */
export function askFigures(path: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let text = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      text += chunk;
    });
    socket.on('error', reject);
    socket.on('end', () => {
      try {
        resolve(JSON.parse(text));
      } catch (error) {
        reject(error);
      }
    });
  });
}
