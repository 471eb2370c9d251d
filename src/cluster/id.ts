import { ByteWriter } from '../bytes.js';
import { sha256 } from '../crypto/digests.js';
import { type Agreed, writeCluster } from './digest.js';

/** 32 bytes. */
export const clusterId = (cluster: Agreed): Buffer => sha256(writeCluster(new ByteWriter(1024), cluster).finish());
