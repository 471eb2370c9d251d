/** Cost of an operation as the files of the file system grow: a thousand in each directory. */
import { ADMIN } from '../../src/cluster/registry.js';
import { type Handle, ROOT_HANDLE } from '../../src/fileservice/types.js';
import { BenchmarkError } from '../errors.js';
import { closedLoop } from '../micro/load.js';
import { Random } from '../random.js';
import { type Axis, largestReplicaMiB, OUT_OF_TIME, Series, withCluster } from './axis.js';
import { FilesClient } from './files-client.js';

const IN_DIRECTORY = 1000;
const FILLING = 64;
const DATA = Buffer.alloc(4096, 'byzfs');
const REPLICAS = 4;
const SEED = 3;

export const filesAxis: Axis = {
  name: 'files',
  points: [1e3, 1e4, 1e5, 1e6],
  measure: (points, context) =>
    withCluster(context, REPLICAS, [ADMIN], async ([client], directory) => {
      const files = new Files(new FilesClient(client));
      const series = new Series();
      const memory = new Series();
      // Code that has just been started is not compiled yet: what differs from the first point to the next must be files.
      await files.fill(Math.min(points[0], IN_DIRECTORY), context.signal);
      await files.measure(context.operations);
      let skipped: string | undefined;
      for (const point of points) {
        if (!(await files.fill(point, context.signal, context.deadline))) {
          skipped = OUT_OF_TIME;
          break;
        }
        for (const [name, p50Us] of await files.measure(context.operations)) series.add(name, point, p50Us);
        memory.add('the largest replica', point, largestReplicaMiB(directory, REPLICAS));
        context.step(`${point} files`);
      }
      const what = { axis: 'files', xLabel: 'files', skipped };
      return [
        series.curve({ ...what, yLabel: 'latency, p50, µs' }),
        memory.curve({ ...what, yLabel: 'resident memory, MiB' }),
      ];
    }),
};

class Files {
  private readonly directories: Handle[] = [];
  private count = 0;
  private measured = 0;
  private readonly random = new Random(SEED);

  constructor(private readonly client: FilesClient) {}

  /** @returns whether there are so many now */
  async fill(count: number, signal: AbortSignal, deadline = Number.POSITIVE_INFINITY): Promise<boolean> {
    while (this.count < count) {
      signal.throwIfAborted();
      if (performance.now() > deadline) return false;
      const directory = await this.client.mkdir(ROOT_HANDLE, `d${this.directories.length}`);
      const more = Math.min(IN_DIRECTORY, count - this.count);
      let next = 0;
      await closedLoop(() => this.client.create(directory, `f${next++}`), FILLING, more);
      this.directories.push(directory);
      this.count += more;
    }
    return true;
  }

  /** By kind of operation, p50 in µs, one at a time. */
  async measure(calls: number): Promise<Map<string, number>> {
    const place = await this.client.mkdir(ROOT_HANDLE, `measured-${this.measured++}`);
    const made: Handle[] = [];
    const one = async (call: () => Promise<unknown>) => (await closedLoop(call, 1, calls)).p50Us;
    let next = 0;
    const create = await one(async () => made.push(await this.client.create(place, `m${next++}`)));
    next = 0;
    const write = await one(() => this.client.write(made[next++], 0, DATA));
    const lookup = await one(async () => {
      // The last directory of a fill may be smaller than the others.
      const directory = this.directories[this.random.between(0, this.directories.length - 1)];
      const found = await this.client.lookup(
        directory,
        `f${this.random.between(0, Math.min(IN_DIRECTORY, this.count) - 1)}`,
      );
      if (found.ino < 2) throw new BenchmarkError(`lookup: inode ${found.ino}`);
    });
    next = 0;
    const unlink = await one(() => this.client.unlink(place, `m${next++}`));
    return new Map([
      ['create', create],
      ['write 4 KiB', write],
      ['lookup', lookup],
      ['unlink', unlink],
    ]);
  }
}
