/**
 * Hosts as network namespaces (ip-netns(8)), each with one veth link to a switch in a namespace of its own: a bridge and
 * tc-netem(8) where the kernel has them, else switch.py. Names carry the pid of this process.
 */
import { type ChildProcess, type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process';
import path from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { must } from '../harness.js';

const DELAY_MS = 20;
const LOSS_PERCENT = 1;
const NETEM = ['netem', 'delay', `${DELAY_MS}ms`, 'loss', `${LOSS_PERCENT}%`, 'limit', '100000'];
const NAMESPACES = '/run/netns';
const WIRE = 'wire';

type Script = ChildProcessByStdio<Writable, Readable, null>;

const PREFIX = `byzfs-${process.pid}-`;
const nameOf = (host: string): string => `${PREFIX}${host}`;

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
    spawnSync('ip', ['netns', 'delete', probe]);
  }
}

/** `command` as it is run on a host, whose mounts are those of this machine. */
export const on = (host: string, command: string, ...args: string[]): [string, string[]] => [
  'nsenter',
  [`--net=${NAMESPACES}/${nameOf(host)}`, command, ...args],
];

const inHere = (script: string): string => path.join(import.meta.dirname, script);

/** In the namespace of the switch; returns when it says that it is ready. */
async function onWire(script: string, ...args: string[]): Promise<Script> {
  const [command, all] = on(WIRE, 'python3', inHere(script), ...args);
  const child = spawn(command, all, { stdio: ['pipe', 'pipe', 'inherit'] });
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve());
    child.once('exit', (code) => reject(new Error(`${script} ended with ${code}`)));
  });
  return child;
}

/** Has a script end that does when its standard input has. */
async function ending(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.stdin!.end();
  await ended;
}

export class Network {
  private switch: Script | null = null;
  private readonly keeper: ChildProcess;

  /** @param scratch a directory that goes with the network, and what is mounted in it */
  constructor(
    private readonly hosts: readonly string[],
    private readonly netem: boolean,
    scratch: string,
  ) {
    // In a session of its own: it outlives what ends this process.
    const stdio = ['pipe', 'ignore', 'inherit'] as const;
    this.keeper = spawn('python3', [inHere('keeper.py'), PREFIX, scratch], { stdio: [...stdio], detached: true });
  }

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
      await ip(WIRE, `link set dev ${host} up`);
      if (!this.netem) continue;
      await ip(WIRE, `link set dev ${host} master bridge`);
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
      const place = verb === 'cut' ? ['nomaster'] : ['master', 'bridge'];
      await must('ip', ['-n', nameOf(WIRE), 'link', 'set', 'dev', host, ...place]);
    }
  }

  /** Records all frames on all links; returns what ends that, and has them in `file`. */
  async capture(file: string): Promise<() => Promise<void>> {
    const child = await onWire('capture.py', file);
    return () => ending(child);
  }

  /** Ends every process on the hosts and takes all away. */
  destroy(): Promise<void> {
    return ending(this.keeper);
  }
}
