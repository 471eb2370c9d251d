/**
 * Whether the machine lost power since this replica last ran: a file beside the journal says under which boot the replica
 * began, or that it stopped with everything flushed (DESIGN 3.11).
 */
import fs from 'node:fs';
import path from 'node:path';

/** A new one with each start of the kernel: random(4). */
const BOOT_ID = '/proc/sys/kernel/random/boot_id';
const STOPPED = 'stopped';

const fileIn = (directory: string): string => path.join(directory, 'boot');
const currentBoot = (): string => fs.readFileSync(BOOT_ID, 'latin1').trim();

/**
 * Whether what was handed to the operating system may not have reached the disk: it began under another boot and did
 * not stop. So too where nothing says what it did.
 */
export function mayHaveLostPower(directory: string): boolean {
  const file = fileIn(directory);
  const last = fs.existsSync(file) ? fs.readFileSync(file, 'latin1').trim() : '';
  return last !== STOPPED && last !== currentBoot();
}

/** Before the replica says anything. */
export const noteRunning = (directory: string): void => note(directory, currentBoot());

/** Once all that it wrote is flushed; and of a new replica, which has said nothing. */
export const noteStopped = (directory: string): void => note(directory, STOPPED);

/** On stable storage, whole or not at all. */
function note(directory: string, what: string): void {
  const file = fileIn(directory);
  fs.writeFileSync(`${file}.new`, `${what}\n`, { mode: 0o600, flush: true });
  fs.renameSync(`${file}.new`, file);
  const fd = fs.openSync(directory, 'r');
  fs.fsyncSync(fd);
  fs.closeSync(fd);
}
