/** Cost of an operation as one file grows to 2 GiB. */
import { ADMIN } from '../../src/cluster/registry.js';
import { type Handle, ROOT_HANDLE } from '../../src/fileservice/types.js';
import { Contents } from '../contents.js';
import { closedLoop } from '../micro/load.js';
import { Random } from '../random.js';
import { type Axis, largestReplicaMiB, OUT_OF_TIME, Series, withCluster } from './axis.js';
import { FilesClient } from './files-client.js';

const MIB = 2 ** 20;
const BLOCK = 128 * 1024;
const SMALL = 4096;
const FILLING = 16;
const REPLICAS = 4;
const SEED = 5;

export const sizeAxis: Axis = {
  name: 'size',
  points: [1, 16, 128, 512, 2048],
  measure: (points, context) =>
    withCluster(context, REPLICAS, [ADMIN], async ([service], directory) => {
      const client = new FilesClient(service);
      const file = new GrowingFile(client, await client.create(ROOT_HANDLE, 'large'));
      const series = new Series();
      const memory = new Series();
      await file.grow(points[0] * MIB, context.signal);
      await file.measure(context.operations);
      let skipped: string | undefined;
      for (const point of points) {
        if (!(await file.grow(point * MIB, context.signal, context.deadline))) {
          skipped = OUT_OF_TIME;
          break;
        }
        for (const [name, p50Us] of await file.measure(context.operations)) series.add(name, point, p50Us);
        memory.add('the largest replica', point, largestReplicaMiB(directory, REPLICAS));
        context.step(`${point} MiB`);
      }
      const what = { axis: 'size', xLabel: 'size of the file, MiB', skipped };
      return [
        series.curve({ ...what, yLabel: 'latency, p50, µs' }),
        memory.curve({ ...what, yLabel: 'resident memory, MiB' }),
      ];
    }),
};

/** Of blocks whose contents are known from their number, so that what is read is checked. */
class GrowingFile {
  private readonly contents = new Contents(SEED, BLOCK);
  private readonly random = new Random(SEED);
  private blocks = 0;

  constructor(
    private readonly client: FilesClient,
    private readonly file: Handle,
  ) {}

  /** @returns whether it is so large now */
  async grow(bytes: number, signal: AbortSignal, deadline = Number.POSITIVE_INFINITY): Promise<boolean> {
    while (this.blocks * BLOCK < bytes) {
      signal.throwIfAborted();
      if (performance.now() > deadline) return false;
      const more = Math.min(64, bytes / BLOCK - this.blocks);
      await closedLoop(() => this.append(), FILLING, more);
    }
    return true;
  }

  private append(): Promise<void> {
    const block = this.blocks++;
    return this.client.write(this.file, block * BLOCK, this.contents.of(block, 0, BLOCK));
  }

  /** By kind of operation, p50 in µs, one at a time. The file stays as long as it is: what is written is there already. */
  async measure(calls: number): Promise<Map<string, number>> {
    const somewhere = () => {
      const block = this.random.between(0, this.blocks - 1);
      return { block, at: this.random.between(0, BLOCK / SMALL - 1) * SMALL };
    };
    const one = async (call: () => Promise<void>, count: number) => (await closedLoop(call, 1, count)).p50Us;
    const large = await one(
      () => {
        const { block } = somewhere();
        return this.client.write(this.file, block * BLOCK, this.contents.of(block, 0, BLOCK));
      },
      Math.ceil(calls / 4),
    );
    const write = await one(() => {
      const { block, at } = somewhere();
      return this.client.write(this.file, block * BLOCK + at, this.contents.of(block, at, at + SMALL));
    }, calls);
    const read = await one(async () => {
      const { block, at } = somewhere();
      const data = await this.client.read(this.file, block * BLOCK + at, SMALL);
      this.contents.check('the large file', data, block, at, at + SMALL);
    }, calls);
    return new Map([
      ['write 128 KiB', large],
      ['write 4 KiB', write],
      ['read 4 KiB', read],
    ]);
  }
}
