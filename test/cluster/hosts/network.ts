/**
 * Hosts as network namespaces (ip-netns(8)), each with one veth link to a switch in a namespace of its own: a bridge and
 * tc-netem(8) where the kernel has them, else switch.py. Names carry the pid of this process.
 */
import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { must } from '../harness.js';

const DELAY_MS = 20;
const LOSS_PERCENT = 1;
const NETEM = ['netem', 'delay', `${DELAY_MS}ms`, 'loss', `${LOSS_PERCENT}%`, 'limit', '100000'];
const NAMESPACES = '/run/netns';
const WIRE = 'wire';

type Script = ChildProcessByStdio<Writable, Readable, null>;

const nameOf = (host: string, pid = process.pid): string => `byzfs-${pid}-${host}`;

/** @returns what went wrong, or null */
function failureOf(command: string, ...args: string[]): string | null {
  const { status, error, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (error !== undefined) return error.message;
  return status === 0 ? null : stderr.trim().split('\n').at(-1)!;
}

export interface Links {
  /** Why there can be none. */
  obstacle: string | null;
  netem: boolean;
  description: string;
}

/** What this machine can do. */
export function examineLinks(): Links {
  const without = (obstacle: string): Links => ({ obstacle, netem: false, description: `not run: ${obstacle}` });
  if (process.getuid?.() !== 0) return without('root is needed to make network namespaces');
  const programs = { ip: 'iproute2', tc: 'iproute2', nsenter: 'util-linux', python3: 'python3' };
  for (const [program, debian] of Object.entries(programs)) {
    if (failureOf('which', program) !== null) return without(`${program} is missing (Debian: ${debian})`);
  }
  removeAbandoned();
  const probe = nameOf('probe');
  try {
    const failed =
      failureOf('ip', 'netns', 'add', probe) ??
      failureOf('ip', '-n', probe, ...'link add name one type veth peer name other'.split(' '));
    if (failed !== null) return without(`this kernel makes no namespaces with veth links: ${failed}`);
    const netem =
      failureOf('ip', '-n', probe, ...'link add name bridge type bridge'.split(' ')) === null &&
      failureOf('tc', '-n', probe, ...'qdisc add dev one root'.split(' '), ...NETEM) === null;
    const by = netem ? 'by netem' : 'by switch.py: this kernel has no netem or no bridge';
    return { obstacle: null, netem, description: `${DELAY_MS} ms delay and ${LOSS_PERCENT} % loss ${by}` };
  } finally {
    removeNamespace(probe);
  }
}

/** A namespace of ours, and the processes in it: all are of this test. */
function removeNamespace(name: string): void {
  const { stdout } = spawnSync('ip', ['netns', 'pids', name], { encoding: 'utf8' });
  for (const pid of stdout.split('\n').filter((line) => line !== '')) {
    try {
      process.kill(Number(pid), 'SIGKILL');
    } catch {
      // It has ended.
    }
  }
  spawnSync('ip', ['netns', 'delete', name]);
}

/** What tests have left that were killed. */
function removeAbandoned(): void {
  if (!fs.existsSync(NAMESPACES)) return;
  for (const name of fs.readdirSync(NAMESPACES)) {
    const pid = /^byzfs-(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && !fs.existsSync(`/proc/${pid}`)) removeNamespace(name);
  }
}

/** `command` as it is run on a host, whose mounts are those of this machine. */
export const on = (host: string, command: string, ...args: string[]): [string, string[]] => [
  'nsenter',
  [`--net=${NAMESPACES}/${nameOf(host)}`, command, ...args],
];

/** A script of this directory in the namespace of the switch; returns when it says that it is ready. */
async function onWire(script: string, ...args: string[]): Promise<Script> {
  const [command, all] = on(WIRE, 'python3', path.join(import.meta.dirname, script), ...args);
  const child = spawn(command, all, { stdio: ['pipe', 'pipe', 'inherit'] });
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve());
    child.once('exit', (code) => reject(new Error(`${script} ended with ${code}`)));
  });
  return child;
}

export class Network {
  private switch: Script | null = null;

  constructor(
    private readonly hosts: readonly string[],
    private readonly netem: boolean,
  ) {}

  addressOf(host: string): string {
    return `10.66.0.${1 + this.hosts.indexOf(host)}`;
  }

  async build(): Promise<void> {
    const ip = (where: string, words: string) => must('ip', ['-n', nameOf(where), ...words.split(' ')]);
    for (const name of [WIRE, ...this.hosts]) await must('ip', ['netns', 'add', nameOf(name)]);
    if (this.netem) await ip(WIRE, 'link add name bridge type bridge');
    for (const host of this.hosts) {
      await ip(host, `link add name eth0 type veth peer name ${host} netns ${nameOf(WIRE)}`);
      await ip(host, `address add ${this.addressOf(host)}/24 dev eth0`);
      await ip(host, 'link set lo up');
      await ip(host, 'link set eth0 up');
      await ip(WIRE, `link set ${host} up`);
      if (!this.netem) continue;
      await ip(WIRE, `link set ${host} master bridge`);
      await must('tc', ['-n', nameOf(host), 'qdisc', 'add', 'dev', 'eth0', 'root', ...NETEM]);
    }
    if (this.netem) await ip(WIRE, 'link set bridge up');
    else this.switch = await onWire('switch.py', String(DELAY_MS), String(LOSS_PERCENT), ...this.hosts);
  }

  /** From now on nothing reaches these hosts, and nothing that they send arrives. */
  cut(...hosts: string[]): Promise<void> {
    return this.set('cut', hosts);
  }

  heal(...hosts: string[]): Promise<void> {
    return this.set('heal', hosts);
  }

  private async set(verb: 'cut' | 'heal', hosts: readonly string[]): Promise<void> {
    for (const host of hosts) {
      this.switch?.stdin.write(`${verb} ${host}\n`);
      if (!this.netem) continue;
      // States of a bridge's port: disabled, forwarding.
      const state = verb === 'cut' ? '0' : '3';
      await must('ip', ['-n', nameOf(WIRE), 'link', 'set', host, 'type', 'bridge_slave', 'state', state]);
    }
  }

  /** Records all frames on all links; returns what ends that, and has them in `file`. */
  async capture(file: string): Promise<() => Promise<void>> {
    const child = await onWire('capture.py', file);
    return async () => {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.stdin.end();
      await ended;
    };
  }

  /** Ends every process on the hosts and takes the hosts away. */
  destroy(): void {
    for (const host of [...this.hosts, WIRE]) removeNamespace(nameOf(host));
  }
}
