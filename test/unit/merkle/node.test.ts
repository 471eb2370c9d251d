import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TreeNode } from '../../../src/merkle/node.js';
import { rows, treeOf } from './model.js';

describe('a node with one byte altered', () => {
  const described = (node: TreeNode): string => JSON.stringify([node.prefix, [...node.children()]]);

  it('is none, or another: of a root no digest tells', () => {
    fc.assert(
      fc.property(rows(20), fc.nat(), fc.integer({ min: 1, max: 255 }), (some, position, xor) => {
        const content = treeOf(some).get('');
        fc.pre(content !== undefined);
        const altered = Buffer.from(content);
        altered[position % altered.length] ^= xor;
        const node = TreeNode.parse(altered);
        if (node !== undefined) expect(described(node)).not.toBe(described(new TreeNode(content)));
      }),
      { seed: 4, numRuns: 2000 },
    );
  });
});
