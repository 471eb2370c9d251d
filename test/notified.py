"""Stands in for systemd: prints, a line each, what is sent to a notification socket (sd_notify(3)): notified.py NAME"""
import socket
import sys

name = sys.argv[1]
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind('\0' + name[1:] if name.startswith('@') else name)
print('listening', flush=True)
while True:
    print(listener.recv(4096).decode(), flush=True)
