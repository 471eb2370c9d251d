"""Runs a command at a terminal of its own and types a line at each prompt: typing.py LINE[,LINE]... COMMAND..."""
import os
import pty
import sys

lines = sys.argv[1].split(',')
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
seen = b''
while True:
    try:
        chunk = os.read(terminal, 1024)
    except OSError:
        break
    if not chunk:
        break
    sys.stdout.buffer.write(chunk)
    seen += chunk
    if seen.endswith(b': ') and lines:
        os.write(terminal, lines.pop(0).encode() + b'\n')
        seen = b''
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
