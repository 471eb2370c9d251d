/**
 * Ports for tests: below those that the kernel gives to outgoing connections (ip_local_port_range, 32768 on), since one
 * of these could take a port between the moment it was found free and the moment it is listened on; and below those of
 * the benchmarks (20000 on).
 */
import { existsSync, readFileSync } from 'node:fs';

const FIRST = 10_000;
const END = 20_000;

/** Test processes that run at the same time begin at different places. */
let next = FIRST + ((process.pid * 41) % (END - FIRST));

/** Local ports of all sockets of this machine, whatever state they are in (proc_pid_net(5)). */
function portsInUse(): Set<number> {
  const ports = new Set<number>();
  for (const table of ['/proc/self/net/tcp', '/proc/self/net/tcp6'].filter((path) => existsSync(path))) {
    for (const line of readFileSync(table, 'utf8').split('\n').slice(1)) {
      const local = line.trim().split(/\s+/)[1];
      if (local !== undefined) ports.add(Number.parseInt(local.slice(local.lastIndexOf(':') + 1), 16));
    }
  }
  return ports;
}

/** The first of `count` ports in a row that nobody uses and that this process was not given before. */
export function freePorts(count = 1): number {
  const used = portsInUse();
  for (let tried = 0; tried < END - FIRST; tried += count) {
    if (next + count > END) next = FIRST;
    const first = next;
    next += count;
    if (!Array.from({ length: count }, (_, i) => used.has(first + i)).includes(true)) return first;
  }
  throw new Error(`no ${count} free ports in a row from ${FIRST} to ${END}`);
}
