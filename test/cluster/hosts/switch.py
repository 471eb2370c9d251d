# switch.py DELAY_MS LOSS_PERCENT PORT...: an Ethernet switch between these interfaces (packet(7)) whose links are slow and
# lossy: what tc-netem(8) does, for kernels without it. Lines on the standard input: "cut PORT" and "heal PORT".
import collections
import os
import random
import select
import socket
import sys
import time

SOL_PACKET = 263
PACKET_VNET_HDR = 15
PACKET_OUTGOING = 4
VNET_HEADER = 10
# The largest packet that the kernel hands over in one piece, and headers.
MOST_BYTES = 1 << 17

delay = float(sys.argv[1]) / 1000
loss = float(sys.argv[2]) / 100
ports = {}
for name in sys.argv[3:]:
    port = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    # Checksums that are still to be computed, and segments to be cut, stay so.
    port.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    port.bind((name, 0))
    port.setblocking(False)
    ports[name] = port
names = {port.fileno(): name for name, port in ports.items()}
where = {}
cut = set()
# (when, to whom, what): the delay being the same for all, in order.
underway = collections.deque()


def receive(name):
    try:
        data, address = ports[name].recvfrom(MOST_BYTES)
    except OSError:
        return
    if address[2] == PACKET_OUTGOING or name in cut or random.random() < loss:
        return
    to, sender = data[VNET_HEADER:VNET_HEADER + 6], data[VNET_HEADER + 6:VNET_HEADER + 12]
    where[sender] = name
    known = where.get(to)
    targets = [known] if known is not None else [other for other in ports if other != name]
    underway.append((time.monotonic() + delay, targets, data))


def deliver():
    while underway and underway[0][0] <= time.monotonic():
        _, targets, data = underway.popleft()
        for name in targets:
            if name in cut:
                continue
            try:
                ports[name].send(data)
            except OSError:
                # As a full queue: lost.
                pass


def obey(line):
    verb, name = line.split()
    if verb == 'cut':
        cut.add(name)
    else:
        cut.discard(name)


poll = select.poll()
for port in [*ports.values(), sys.stdin]:
    poll.register(port, select.POLLIN)
print('ready', flush=True)
while True:
    wait = None if not underway else max(0, (underway[0][0] - time.monotonic()) * 1000)
    for fd, _ in poll.poll(wait):
        if fd in names:
            receive(names[fd])
            continue
        text = os.read(fd, 4096).decode()
        if text == '':
            sys.exit()
        for line in text.splitlines():
            obey(line)
    deliver()
