import { ClusterError } from './errors.js';

/** @throws ClusterError: others than its owner may use the file */
export function requirePrivate(path: string, fileMode: number, what: string): void {
  const mode = fileMode & 0o777;
  if ((mode & 0o077) === 0) return;
  throw new ClusterError(
    'unreadable',
    `${path}: mode ${mode.toString(8).padStart(4, '0')} lets others than its owner use this ${what}: chmod 600 it`,
  );
}
