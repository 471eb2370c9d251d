/** Flags of open(2) as Linux numbers them on x86-64 and arm64 (asm-generic/fcntl.h). */
export const OpenFlag = {
  ACCESS_MODE: 3,
  WRITE_ONLY: 1,
  READ_WRITE: 2,
  EXCLUSIVE: 0o200,
  TRUNCATE: 0o1000,
  APPEND: 0o2000,
  DSYNC: 0o10000,
  /** __FMODE_EXEC: the file is opened to be executed, not read. */
  EXECUTE: 0x20,
} as const;
