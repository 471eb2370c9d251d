/** What a mount remembers of inodes, names and listings. */
import { describe, expect, it } from 'vitest';
import { ChangeChain } from '../../../fs-client/cache/change-chain.js';
import { Node, NodeTable } from '../../../fs-client/cache/node.js';
import type { Attributes } from '../../../src/fileservice/types.js';

const TIME = { seconds: 1, nanoseconds: 0 };
const attributes = (ino: number, change: number, generation = 1): Attributes => ({
  ...{ ino, generation, change, mode: 0o100644, nlink: 1, uid: 0, gid: 0, rdev: 0, size: change, blocks: 0 },
  hasXattrs: false,
  ...{ atime: TIME, mtime: TIME, ctime: TIME },
});

describe('ChangeChain', () => {
  it('follows own changes in any order', () => {
    const chain = new ChangeChain();
    chain.restart(10);
    for (const change of [12, 14, 11]) chain.own(change);
    expect(chain.reaches(12)).toBe(true);
    expect(chain.reaches(14)).toBe(false);
    chain.own(13);
    expect(chain.reaches(14)).toBe(true);
  });

  it('does not reach over a change by others', () => {
    const chain = new ChangeChain();
    chain.restart(10);
    chain.own(12);
    expect(chain.reaches(12)).toBe(false);
    chain.own(13);
    expect(chain.reaches(13)).toBe(false);
    chain.restart(13);
    expect(chain.reaches(13)).toBe(true);
  });

  it('reaches nothing before it started, nor once broken', () => {
    const chain = new ChangeChain();
    chain.own(1);
    expect(chain.reaches(1)).toBe(false);
    chain.restart(1);
    chain.break();
    chain.own(2);
    expect(chain.reaches(2)).toBe(false);
  });

  it('gives up when too many changes are ahead of a missing one', () => {
    const chain = new ChangeChain();
    chain.restart(1);
    for (let change = 3; change < 1000; change++) chain.own(change);
    chain.own(2);
    expect(chain.reaches(999)).toBe(false);
  });
});

describe('Node', () => {
  it('keeps the newest attributes, whatever order replies come in', () => {
    const node = new Node({ ino: 2, generation: 1 });
    node.learn(attributes(2, 5), 100);
    node.learn(attributes(2, 4), 900);
    expect(node.attributes?.change).toBe(5);
    expect(node.attributesUntil).toBe(100);
    node.learn(attributes(2, 5), 200);
    expect(node.attributesUntil).toBe(200);
    node.learn(attributes(2, 6), 150);
    expect([node.attributes?.change, node.attributesUntil]).toEqual([6, 150]);
  });

  it('starts anew with another generation', () => {
    const node = new Node({ ino: 2, generation: 1 });
    node.learn(attributes(2, 50), 100);
    node.learn(attributes(2, 1, 2), 100);
    expect([node.generation, node.attributes?.change]).toEqual([2, 1]);
  });

  it('keeps a listing through own changes, and drops it with others', () => {
    const directory = new Node({ ino: 2, generation: 1 });
    directory.learn(attributes(2, 5), 100);
    directory.keepListing(new Set(['a']), 5, 100);
    directory.learnOwn(attributes(2, 6), 200);
    directory.bind('b', new Node({ ino: 3, generation: 1 }), 200);
    expect([...(directory.listing?.names ?? [])]).toEqual(['a', 'b']);
    expect(directory.listing?.until).toBe(200);
    directory.learn(attributes(2, 7), 300);
    expect(directory.listing).toBeUndefined();
  });

  it('does not keep a listing that was out of date when it came', () => {
    const directory = new Node({ ino: 2, generation: 1 });
    directory.learn(attributes(2, 6), 100);
    directory.keepListing(new Set(['a']), 5, 100);
    expect(directory.listing).toBeUndefined();
  });

  it('knows the name last used, and the others after it is gone', () => {
    const [a, b] = [new Node({ ino: 2, generation: 1 }), new Node({ ino: 3, generation: 1 })];
    const file = new Node({ ino: 4, generation: 1 });
    a.bind('x', file, 100);
    b.bind('y', file, 100);
    expect(file.link).toEqual({ parent: b, name: 'y' });
    a.bind('x', file, 100);
    expect(file.link).toEqual({ parent: a, name: 'x' });
    a.unbind('x');
    expect(file.link).toEqual({ parent: b, name: 'y' });
    expect(a.children.size).toBe(0);
    b.bind('y', new Node({ ino: 5, generation: 1 }), 100);
    expect(file.link).toBeUndefined();
  });
});

describe('NodeTable', () => {
  it('holds a node as long as the kernel or an open file does', () => {
    const table = new NodeTable();
    const node = table.learn(attributes(2, 1), 100);
    node.lookups = 3;
    table.root.bind('f', node, 100);
    table.forget(2, 2);
    expect(table.get(2)).toBe(node);
    node.opens = 1;
    table.forget(2, 1);
    expect(table.get(2)).toBe(node);
    node.opens = 0;
    table.dropIfUnused(node);
    expect(table.get(2)).toBeUndefined();
    expect(table.root.children.size).toBe(0);
    expect(table.size).toBe(1);
  });

  it('never drops the root', () => {
    const table = new NodeTable();
    table.forget(1, 100);
    expect(table.get(1)).toBe(table.root);
  });
});
