# sshfs with its defaults: an unreplicated file server, over an sshd of its own with keys of its own.
start_sshfs() {
  sshfs_home=$1
  need sshfs sshd ssh-keygen
  local port
  port=$(free_port)
  mkdir "$1/data"
  # Privilege separation of sshd wants it; the package's own service makes it when it starts.
  mkdir -p /run/sshd
  ssh-keygen -q -t ed25519 -N '' -f "$1/host-key"
  ssh-keygen -q -t ed25519 -N '' -f "$1/user-key"
  cp "$1/user-key.pub" "$1/authorized_keys"
  echo "[127.0.0.1]:$port $(cut -d' ' -f1,2 "$1/host-key.pub")" >"$1/known_hosts"
  cat >"$1/sshd_config" <<CONFIGURATION
ListenAddress 127.0.0.1
Port $port
HostKey $1/host-key
PidFile $1/sshd.pid
AuthorizedKeysFile $1/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
UsePAM no
# The directory below which the keys are is anybody's: /tmp.
StrictModes no
Subsystem sftp internal-sftp
CONFIGURATION
  /usr/sbin/sshd -f "$1/sshd_config" -E "$1/sshd.log" || die "sshd does not start: $(tail -n 1 "$1/sshd.log")"
  until_so 10 "sshd listens on $port" grep -q 'Server listening' "$1/sshd.log"
  sshfs "root@127.0.0.1:$1/data" "$1/mnt" -p "$port" -F /dev/null -o IdentityFile="$1/user-key" \
    -o UserKnownHostsFile="$1/known_hosts" -o BatchMode=yes || die "sshfs cannot mount: $(tail -n 1 "$1/sshd.log")"
}

stop_sshfs() {
  if mountpoint -q "$sshfs_home/mnt"; then umount "$sshfs_home/mnt"; fi
  if [ -s "$sshfs_home/sshd.pid" ]; then kill "$(cat "$sshfs_home/sshd.pid")"; fi
}
