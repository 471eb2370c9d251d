#!/bin/bash
# Runs a command beside other file systems: starts those named, appends a --target NAME=PATH for each, and ends what it
# has started, however the command ends.
#
#   bench/peers/run.sh bindfs sshfs gluster -- npx byzfs bench andrew
#
# Everything is on this machine, on loopback, in a directory of its own under ${TMPDIR:-/tmp}. Needed: root, and the
# packages bindfs, sshfs with openssh-server, glusterfs-server. Exit status: the command's; 2 if used wrongly.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
known="bindfs sshfs gluster"

usage() {
  echo "usage: $0 PEER... -- COMMAND ARGUMENT...   PEER: $known" >&2
  exit 2
}

die() {
  echo "peers: $*" >&2
  exit 1
}

need() {
  for program in "$@"; do
    command -v "$program" >/dev/null || [ -x "/usr/sbin/$program" ] || die "$program is missing: see docs/PEERS.md"
  done
}

free_port() {
  # Below those that the kernel gives to outgoing connections.
  local port
  for _ in $(seq 100); do
    port=$((20000 + RANDOM % 12000))
    (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
  die "no free port"
}

# until_so SECONDS WHAT COMMAND...
until_so() {
  local tries=$(($1 * 10)) what=$2
  shift 2
  for _ in $(seq "$tries"); do
    "$@" >/dev/null 2>&1 && return
    sleep 0.1
  done
  die "not in time: $what"
}

peers=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
  case " $known " in *" $1 "*) peers+=("$1") ;; *) usage ;; esac
  shift
done
[ $# -ge 2 ] && [ ${#peers[@]} -gt 0 ] || usage
shift
[ "$(id -u)" = 0 ] || die "root is needed to mount"

home=$(mktemp -d "${TMPDIR:-/tmp}/byzfs-peers-XXXXXX")
started=()
stop_all() {
  trap - EXIT INT TERM
  local i
  for ((i = ${#started[@]} - 1; i >= 0; i--)); do "stop_${started[i]}"; done
  # Never into a mount that could not be taken away.
  if grep -q " $home/" /proc/self/mounts; then
    echo "peers: something is still mounted below $home: it is left as it is" >&2
  else
    rm -rf "$home"
  fi
}
trap stop_all EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

targets=()
for peer in "${peers[@]}"; do
  # shellcheck source=/dev/null
  . "$here/$peer.sh"
  started+=("$peer")
  mkdir -p "$home/$peer/mnt"
  "start_$peer" "$home/$peer"
  targets+=(--target "$peer=$home/$peer/mnt")
done
"$@" "${targets[@]}"
