export { auditedLeaf, auditedLeaves, DamagedNode } from './audit.js';
export { type DifferenceSink, type MissingNode, TreeDifference } from './difference.js';
export { DIGEST_BYTES, KEY_BYTES, leafDigest, nodeDigest } from './hashing.js';
export { LARGEST_NODE_BYTES } from './node.js';
export { type Octets, octets, toBytes } from './octets.js';
export { type Proven, prove, verifyProof } from './proof.js';
export { findLeaf, rootDigest } from './read.js';
export { MemoryNodes, type NodeSource, type NodeStorage } from './storage.js';
export { updateTree } from './update.js';
