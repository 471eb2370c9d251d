import type { ListRows } from '../list-service.js';

/** Rows of the replicated state (replica/state/tables/records.ts). */
interface Records {
  find(key: Uint8Array): Uint8Array | undefined;
  set(key: Uint8Array, value: Uint8Array): void;
  unset(key: Uint8Array): void;
}

/** List and registers as records: the length, each token by its position, each register by its name. */
export class StoredList implements ListRows {
  /** Tokens appended since somebody last emptied this: of the batch under way. */
  readonly appended: string[] = [];

  constructor(private readonly records: Records) {}

  get length(): number {
    return Number(this.find('length') ?? 0);
  }

  get last(): string | undefined {
    return this.find(`token ${this.length}`);
  }

  append(token: string): void {
    const length = this.length + 1;
    this.set('length', String(length));
    this.set(`token ${length}`, token);
    this.appended.push(token);
  }

  register(key: string): string | undefined {
    return this.find(`register ${key}`);
  }

  setRegister(key: string, value: string | undefined): void {
    if (value === undefined) this.records.unset(Buffer.from(`register ${key}`));
    else this.set(`register ${key}`, value);
  }

  private find(key: string): string | undefined {
    const value = this.records.find(Buffer.from(key));
    return value && Buffer.from(value).toString();
  }

  private set(key: string, value: string): void {
    this.records.set(Buffer.from(key), Buffer.from(value));
  }
}
