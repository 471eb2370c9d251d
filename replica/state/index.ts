export type { FileStateOptions, MakeService } from './database.js';
export { StateError, type StateErrorCode } from './errors.js';
export type { FileState, FileStateStatistics } from './file-state.js';
export { createFileState, openFileState } from './opening.js';
