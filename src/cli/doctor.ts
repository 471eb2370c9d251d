/** `byzfs doctor`: what would keep byzfs from working here, and what to do about it. */
import type { Command } from 'commander';
import { loadCluster } from '../cluster/file.js';
import type { Cluster } from '../cluster/types.js';
import { canonicalDirectory } from './directory.js';
import { examineDirectory } from './doctor/directory.js';
import { type Finding, failed } from './doctor/finding.js';
import { examineMachine, examineMounts } from './doctor/machine.js';
import { examineReplicas } from './doctor/replicas.js';
import { CommandError, oneLine } from './errors.js';

const EXAMPLES = `
Examples:
  byzfs doctor                what this machine lacks, and which mounts are dead
  byzfs doctor DIR            also keys, ports, disk, clocks and quorum of a cluster
  byzfs doctor DIR --json     { "findings": [{ "verdict": "ok" | "warning" | "failed", "what": "..." }] }
`;

export function register(program: Command): void {
  program
    .command('doctor')
    .description('check this machine, and a cluster if its directory is given, and say what to do')
    .argument('[dir]', 'cluster directory')
    .option('--json', 'for machines')
    .addHelpText('after', EXAMPLES)
    .action(async (dir: string | undefined, options: { json?: boolean }) => {
      const findings = [
        ...(await examineMachine()),
        ...(await examineMounts()),
        ...(dir === undefined ? [] : await examineCluster(canonicalDirectory(dir))),
      ];
      const text = findings.map(({ verdict, what }) => `${verdict.padEnd(8)}${what}\n`).join('');
      process.stdout.write(options.json ? `${JSON.stringify({ findings })}\n` : text);
      const count = findings.filter(({ verdict }) => verdict === 'failed').length;
      if (count > 0) throw new CommandError(`${count} of ${findings.length} checks failed: see above`);
    });
}

async function examineCluster(directory: string): Promise<Finding[]> {
  let cluster: Cluster;
  try {
    cluster = loadCluster(directory);
  } catch (error) {
    return [failed(oneLine(error))];
  }
  return [...(await examineDirectory(directory, cluster)), ...(await examineReplicas(directory, cluster))];
}
