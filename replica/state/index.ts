export type { FileStateOptions, MakeService } from './database.js';
export { StateError, type StateErrorCode } from './errors.js';
export { createFileState, type FileState, type FileStateStatistics, openFileState } from './file-state.js';
