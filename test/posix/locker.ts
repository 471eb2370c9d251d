/** A process that opens and locks files as it is told: Node has no call for either kind of lock. */
import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** struct flock of x86-64 and arm64: type, whence, 4 bytes of padding, start, length, pid, padding. */
const SCRIPT = `
  use strict; use warnings; use Fcntl qw(:DEFAULT :flock :seek);
  $| = 1;
  my %files;
  my %types = (read => F_RDLCK, write => F_WRLCK, unlock => F_UNLCK);
  my %names = reverse %types;
  my %flocks = (read => LOCK_SH, write => LOCK_EX, unlock => LOCK_UN);
  sub say_result { print $_[0] ? "ok\\n" : int($!) . "\\n" }
  while (<STDIN>) {
    chomp;
    my ($what, $file, @rest) = split / /;
    if ($what eq 'open') {
      my $mode = $rest[1] eq 'r' ? O_RDONLY : O_RDWR | O_CREAT;
      say_result(sysopen($files{$file}, $rest[0], $mode));
    } elsif ($what eq 'close') {
      say_result(close(delete $files{$file}));
    } elsif ($what eq 'lock' || $what eq 'wait') {
      my ($type, $start, $length) = @rest;
      my $lock = pack('ssx4qqlx4', $types{$type}, SEEK_SET, $start, $length, 0);
      say_result(fcntl($files{$file}, $what eq 'wait' ? F_SETLKW : F_SETLK, $lock));
    } elsif ($what eq 'test') {
      my ($type, $start, $length) = @rest;
      my $lock = pack('ssx4qqlx4', $types{$type}, SEEK_SET, $start, $length, 0);
      fcntl($files{$file}, F_GETLK, $lock) or do { say_result(0); next };
      my ($found, undef, $from, $count, $pid) = unpack('ssx4qql', $lock);
      print $names{$found} eq 'unlock' ? "free\\n" : "$names{$found} $from $count $pid\\n";
    } elsif ($what eq 'flock') {
      say_result(flock($files{$file}, $flocks{$rest[0]} | LOCK_NB));
    } elsif ($what eq 'alarm') {
      $SIG{ALRM} = sub {};
      alarm $file;
      print "ok\\n";
    } elsif ($what eq 'read') {
      sysseek($files{$file}, $rest[0], SEEK_SET);
      sysread($files{$file}, my $data, $rest[1]);
      print "$data\\n";
    } elsif ($what eq 'write') {
      sysseek($files{$file}, $rest[0], SEEK_SET);
      say_result(syswrite($files{$file}, $rest[1]));
    }
  }
`;

/** errno of what a lock that is held, and a wait that is interrupted, come to. */
export const EAGAIN = '11';
export const EINTR = '4';

export class Locker {
  readonly pid: number;
  private readonly child: ChildProcessWithoutNullStreams;
  private readonly waiting: ((line: string) => void)[] = [];
  private readonly exited: Promise<unknown>;

  constructor() {
    this.child = spawn('perl', ['-e', SCRIPT]);
    this.pid = this.child.pid!;
    createInterface({ input: this.child.stdout }).on('line', (line) => this.waiting.shift()?.(line));
    this.exited = new Promise((resolve) => this.child.on('exit', resolve));
    this.child.stderr.resume();
    this.child.stdin.on('error', () => {});
  }

  /**
   * `open NAME PATH`, `open NAME PATH r`, `close NAME`, `lock|wait|test NAME read|write|unlock START LENGTH`,
   * `flock NAME read|write|unlock`, `alarm SECONDS`, `read NAME OFFSET LENGTH`, `write NAME OFFSET TEXT`.
   * @returns `ok`, an errno, or what was found
   */
  tell(command: string): Promise<string> {
    return new Promise((resolve) => {
      this.waiting.push(resolve);
      this.child.stdin.write(`${command.startsWith('open') && !command.endsWith(' r') ? `${command} w` : command}\n`);
    });
  }

  async expect(command: string, result: string): Promise<void> {
    assert.equal(await this.tell(command), result, command);
  }

  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.child.kill(signal);
    await this.exited;
  }
}

/** Runs with so many processes, which are ended whatever happens. */
export async function withLockers(count: number, work: (lockers: Locker[]) => Promise<void>): Promise<void> {
  const lockers = Array.from({ length: count }, () => new Locker());
  try {
    await work(lockers);
  } finally {
    for (const locker of lockers) await locker.end('SIGKILL');
  }
}
