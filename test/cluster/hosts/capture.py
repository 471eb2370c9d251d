# capture.py FILE: writes all frames on all interfaces of this network namespace to FILE, until the standard input ends.
import select
import socket
import sys

frames = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
frames.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
with open(sys.argv[1], 'wb') as file:
    print('ready', flush=True)
    while True:
        readable, _, _ = select.select([frames, sys.stdin], [], [])
        if frames in readable:
            file.write(frames.recv(1 << 17))
        elif sys.stdin in readable:
            break
