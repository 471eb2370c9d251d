#!/bin/sh
# as-user.sh DIRECTORY COMMAND...: runs a command as the user nobody, in a mount namespace of its own with a /dev/fuse that
# all may open, as ordinary machines have it; this machine's is left alone. DIRECTORY is empty, for what that needs.
# CLOSED=1 leaves /dev/fuse to root. WITHOUT="PATH..." hides files and directories.
set -e
directory=$1
shift
mount -t tmpfs -o mode=755 none "$directory"
mknod -m "$([ -z "$CLOSED" ] && echo 666 || echo 600)" "$directory/fuse" c 10 229
mount --bind "$directory/fuse" /dev/fuse
mkdir "$directory/nothing"
: > "$directory/empty"
for path in $WITHOUT $(ls /etc/fuse.conf 2> /dev/null); do
  if [ -d "$path" ]; then mount --bind "$directory/nothing" "$path"; else mount --bind "$directory/empty" "$path"; fi
done
exec setpriv --reuid 65534 --regid 65534 --groups 65534,4242 "$@"
