export type { FileStateOptions } from './database.js';
export { StateError, type StateErrorCode } from './errors.js';
export type { FileState, FileStateStatistics } from './file-state.js';
export { createFileState, openFileState } from './opening.js';
export type { StateTransfer, TransferProgress, TransferSource, TransferTarget } from './transfer.js';
