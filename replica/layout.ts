import path from 'node:path';

/** What a replica keeps in its own directory: state and journal, and nothing that makes up its identity. */
export const replicaFiles = (directory: string) => ({
  state: path.join(directory, 'state.db'),
  journal: path.join(directory, 'journal'),
  /** See damage-marker.ts. */
  damaged: path.join(directory, 'damaged'),
});
