/** A profile in words and digits, for a terminal and for the page. */
import { PARTS } from '../../src/profiling/stopwatch.js';
import type { TargetReport } from '../report.js';
import type { CpuTimes, Profile } from './profile.js';

export interface ProfileTable {
  /** What the columns are: above all whether of one request or of all processes. */
  caption: string;
  header: readonly string[];
  rows: readonly (readonly string[])[];
}

/** In the order in which they are shown; `rest` is of CPU time only. */
export const PART_NAMES: Readonly<Record<keyof CpuTimes, string>> = {
  kernel: 'kernel',
  client: 'client',
  network: 'network',
  agreement: 'agreement',
  execution: 'execution',
  hashing: 'hashing',
  journal: 'journal',
  rest: 'rest',
};

export const CPU_NAMES: Readonly<Record<Profile['processes'][number]['name'], string>> = {
  client: 'mount',
  replicas: 'all replicas together',
  primary: 'the primary',
  backup: 'a backup (mean)',
};

const AT_REPLICAS = ['network', 'agreement', 'execution', 'hashing', 'journal', 'rest'] as const;

export const WALL_CAPTION =
  'Wall time of one request at the mount (without a mount: of one call), and what it went to. Agreement, execution, ' +
  'hashing and journal are those of one replica, the mean of all; agreement and journal are all that was spent, divided by ' +
  'the ordered operations. Kernel is decoding requests, encoding and writing answers; client what else the mount does, ' +
  'sealing and counting votes. Network is sockets, framing, link MACs, and all waiting that is no process at work for it: for ' +
  'other replicas, and for a processor. Messages and bytes are those that all processes send for one.';

export const OPERATIONS_CAPTION =
  'CPU time at replicas of one operation, added up over the replicas; beside it that of the primary and of one backup. ' +
  'Agreement and journal are all that was spent, divided by the ordered operations; network and rest by messages. ' +
  'Rest: event loop, reading of sockets, garbage collection.';

export const PROCESSES_CAPTION =
  'CPU time of processes for one ordered operation (where there was none: for one call), whatever else was asked meanwhile.';

const UNIT = 'Times in µs.';

const us = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toFixed(1));

export function profileTables(profile: Profile, hasMount: boolean): ProfileTable[] {
  const { amongReplicas, withClient } = profile.traffic;
  const sent =
    `Sent: ${amongReplicas.messages} messages, ${amongReplicas.bytes} bytes among replicas for one ordered operation ` +
    `(${profile.orderedOperations} in all); ${withClient.messages} messages, ${withClient.bytes} bytes between them and ` +
    `the ${hasMount ? 'mount' : 'client'} for one call (${profile.calls} in all).`;
  return [
    {
      caption: `${WALL_CAPTION} ${UNIT}`,
      header: ['request', 'count', 'mean wall', ...PARTS.map((part) => PART_NAMES[part]), 'messages', 'bytes'],
      rows: profile.requests.map(({ kind, count, meanUs, parts, messages, bytes }) => [
        ...[kind, String(count), us(meanUs), ...PARTS.map((part) => us(parts[part]))],
        ...[messages.toFixed(1), String(bytes)],
      ]),
    },
    {
      caption: `${OPERATIONS_CAPTION} ${UNIT}`,
      header: [
        ...['operation', 'ordered', 'read-only', ...AT_REPLICAS.map((part) => PART_NAMES[part])],
        ...['all replicas', 'primary', 'a backup'],
      ],
      rows: profile.operations.map(({ kind, ordered, readOnly, replicas, primary, backup }) => [
        ...[kind, String(ordered), String(readOnly), ...AT_REPLICAS.map((part) => us(replicas[part]))],
        ...[replicas, primary, backup].map((each) => (each === undefined ? '-' : us(sumOf(each)))),
      ]),
    },
    {
      caption: `${PROCESSES_CAPTION} ${UNIT} ${sent}`,
      header: ['process', 'CPU', ...[...PARTS, 'rest' as const].map((part) => PART_NAMES[part])],
      rows: profile.processes.map(({ name, cpuUs, parts }) => [
        ...[processName(name, hasMount), us(cpuUs), ...[...PARTS, 'rest' as const].map((part) => us(parts[part]))],
      ]),
    },
  ];
}

export const processName = (name: keyof typeof CPU_NAMES, hasMount: boolean): string =>
  name === 'client' && !hasMount ? 'client' : CPU_NAMES[name];

/** Whether the client of a target is a mount: only then is there anything that was answered from memory. */
export const hasMount = ({ settings }: TargetReport): boolean => settings !== undefined;

const sumOf = (parts: CpuTimes): number => Object.values(parts).reduce((all, value) => all + value, 0);
