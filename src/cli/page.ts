/** `byzfs page`: the status page as a file, so that nobody who might lie serves it. */
import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { loadCluster } from '../cluster/file.js';
import type { HttpAddress } from '../http/address.js';
import { statusPage } from '../page/document.js';
import { canonicalDirectory } from './directory.js';
import { CommandError, oneLine, UsageError } from './errors.js';
import { httpOption, httpPeers, httpPeersOption } from './http.js';

interface Given {
  output: string;
  http?: HttpAddress;
  httpPeers?: HttpAddress[];
}

const EXAMPLES = `
Examples:
  byzfs page DIR --output status.html --http 127.0.0.1:7500
  byzfs page DIR --output status.html --http-peers a:8080,b:8080,c:8080,d:8080
`;

export function register(program: Command): void {
  program
    .command('page')
    .description('write the status page to a file, to be opened in a browser')
    .argument('<dir>', 'cluster directory')
    .requiredOption('--output <file>', 'where to')
    .addOption(httpOption('where replica 0 serves its own'))
    .addOption(httpPeersOption())
    .addHelpText('after', EXAMPLES)
    .action((dir: string, { output, http, httpPeers: peers }: Given) => {
      const cluster = loadCluster(canonicalDirectory(dir));
      const first = http ?? peers?.[0];
      if (first === undefined)
        throw new UsageError('--http or --http-peers has to say where the replicas serve theirs');
      const addresses = httpPeers(cluster, { id: 0, http: first, peers });
      try {
        writeFileSync(output, statusPage(cluster, addresses, 'as it is in this file').html);
      } catch (error) {
        throw new CommandError(`${output} cannot be written: ${oneLine(error)}`);
      }
      process.stdout.write(`${output}: open it in a browser\n`);
    });
}
