# keeper.py PREFIX SCRATCH: when the standard input ends, which it does however the test ends, takes away the network namespaces
# with this prefix, every process in them, mounts inside the directory SCRATCH and that directory.
import os
import shutil
import signal
import subprocess
import sys
import time

NAMESPACES = '/run/netns'
PATIENCE_SECONDS = 20

prefix, scratch = sys.argv[1:]
sys.stdin.read()
names = [name for name in os.listdir(NAMESPACES) if name.startswith(prefix)]
end = time.monotonic() + PATIENCE_SECONDS
while time.monotonic() < end:
    lists = [subprocess.run(['ip', 'netns', 'pids', name], capture_output=True, text=True).stdout for name in names]
    pids = [int(pid) for pid in ' '.join(lists).split()]
    if not pids:
        break
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    time.sleep(0.05)
for name in names:
    subprocess.run(['ip', 'netns', 'delete', name])
with open('/proc/self/mounts') as mounts:
    mountpoints = [line.split(' ')[1] for line in mounts]
for mountpoint in mountpoints:
    if mountpoint.startswith(f'{scratch}/'):
        subprocess.run(['umount', '-l', mountpoint])
shutil.rmtree(scratch)
