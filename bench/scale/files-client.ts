/** The file service spoken to directly, as a mount does, without the kernel in between. */
import type { ServiceClient } from '../../src/client/types.js';
import { encodeOperation, isReadOnly, type Operation } from '../../src/fileservice/operations.js';
import { decodeResult, type Result, type Results } from '../../src/fileservice/results.js';
import type { Handle } from '../../src/fileservice/types.js';
import { BenchmarkError } from '../errors.js';

const ROOT = { uid: 0, gid: 0, groups: [] };

/** What the benchmarks do. */
type Used = 'mkdir' | 'create' | 'lookup' | 'write' | 'read' | 'unlink';

export class FilesClient {
  constructor(private readonly client: ServiceClient) {}

  private async call<Name extends Used>(name: Name, operation: Operation & { op: Name }): Promise<Results[Name]> {
    const bytes = encodeOperation(ROOT, operation);
    const readOnly = isReadOnly(operation);
    const result: Result<Name> = decodeResult(name, await this.client.call(bytes, { readOnly }));
    if (result.errno !== 0) throw new BenchmarkError(`${name} failed with errno ${result.errno}`);
    return result as Results[Name];
  }

  async mkdir(parent: Handle, name: string): Promise<Handle> {
    return (await this.call('mkdir', { op: 'mkdir', parent, name: Buffer.from(name), mode: 0o755 })).attributes;
  }

  async create(parent: Handle, name: string): Promise<Handle> {
    const how = { mode: 0o644, exclusive: true, truncate: false, access: 2 };
    return (await this.call('create', { op: 'create', parent, name: Buffer.from(name), ...how })).attributes;
  }

  async lookup(parent: Handle, name: string): Promise<Handle> {
    return (await this.call('lookup', { op: 'lookup', parent, name: Buffer.from(name) })).attributes;
  }

  async write(node: Handle, offset: number, data: Uint8Array): Promise<void> {
    await this.call('write', { op: 'write', node, offset, append: false, killPrivileges: false, data });
  }

  async read(node: Handle, offset: number, length: number): Promise<Buffer> {
    return Buffer.from((await this.call('read', { op: 'read', node, offset, length })).data);
  }

  async unlink(parent: Handle, name: string): Promise<void> {
    await this.call('unlink', { op: 'unlink', parent, name: Buffer.from(name), retain: 0 });
  }
}
