/** Null operations as the number of tolerated faults and of clients grows. */
import { ADMIN } from '../../src/cluster/registry.js';
import { closedLoop } from '../micro/load.js';
import { MICRO_OPERATIONS, microCall } from '../micro/operations.js';
import { type Axis, OUT_OF_TIME, Series, warmLoop, withCluster } from './axis.js';

const SHOWN = ['0/0', '4/0', '0/0 read-only'];
const THROUGHPUT_OUTSTANDING = 64;
const operationsShown = MICRO_OPERATIONS.filter(({ name }) => SHOWN.includes(name));

export const faultsAxis: Axis = {
  name: 'faults',
  points: [0, 1, 2, 3],
  measure: async (points, context) => {
    const latency = new Series();
    const throughput = new Series();
    let skipped: string | undefined;
    for (const f of points) {
      if (performance.now() > context.deadline) {
        skipped = OUT_OF_TIME;
        break;
      }
      await withCluster(context, 3 * f + 1, [ADMIN], async ([client]) => {
        for (const operation of operationsShown) {
          const call = microCall(client, operation);
          latency.add(operation.name, f, (await warmLoop(call, 1, context.operations)).p50Us);
          const many = await warmLoop(call, THROUGHPUT_OUTSTANDING, 10 * context.operations);
          throughput.add(operation.name, f, many.opsPerSecond);
        }
      });
      context.step(`f = ${f}`);
    }
    const what = { axis: 'faults', xLabel: 'f, faulty replicas tolerated by 3f+1', skipped };
    return [
      latency.curve({ ...what, yLabel: 'latency, p50, µs' }),
      throughput.curve({ ...what, yLabel: `throughput, op/s, ${THROUGHPUT_OUTSTANDING} outstanding` }),
    ];
  },
};

export const clientsAxis: Axis = {
  name: 'clients',
  points: [1, 2, 4, 8, 16, 32, 64],
  measure: async (points, context) => {
    const names = Array.from({ length: Math.max(...points) }, (_, i) => `client-${i}`);
    return withCluster(context, 4, names, async (clients) => {
      const latency = new Series();
      const throughput = new Series();
      for (const point of points) {
        for (const operation of operationsShown) {
          const calls = clients.slice(0, point).map((client) => microCall(client, operation));
          // One outstanding each: the worker that begins takes the next client that is free.
          const free = [...calls];
          const once = async () => {
            const call = free.pop()!;
            await call();
            free.push(call);
          };
          await closedLoop(once, point, Math.max(2 * point, Math.ceil(context.operations / 10)));
          const { p50Us, opsPerSecond } = await closedLoop(once, point, context.operations * Math.min(8, point));
          latency.add(operation.name, point, p50Us);
          throughput.add(operation.name, point, opsPerSecond);
        }
        context.step(`${point} clients`);
      }
      const what = { axis: 'clients', xLabel: 'clients, one call outstanding each, all in one process' };
      return [
        latency.curve({ ...what, yLabel: 'latency, p50, µs' }),
        throughput.curve({ ...what, yLabel: 'throughput, op/s' }),
      ];
    });
  },
};
