import { newCluster } from '../../../src/cluster/create.js';

/** A cluster that is looked at and not run. */
export const { cluster } = newCluster({
  replicas: 4,
  hosts: ['127.0.0.1'],
  basePort: 7400,
  clientNames: ['admin'],
  rootUid: 0,
  rootGid: 0,
  createdSeconds: 0,
});
