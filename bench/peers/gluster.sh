# GlusterFS, replica 3: what replication without Byzantine tolerance costs. One glusterd with a working directory of its
# own, three bricks on this disk, mounted by its own FUSE client; defaults. It refuses loopback addresses and has fixed
# ports: so it gets a network of its own, in which loopback has another address too.
gluster_address=192.0.2.1
start_gluster() {
  gluster_home=$1
  need glusterd gluster glusterfs ip nsenter
  local volume=byzfs-peer
  mkdir -p "$1"/{state,run,log,brick-1,brick-2,brick-3}
  gluster_network=byzfs-peer-$$
  ip netns add $gluster_network || die "no network namespace can be made"
  in_network ip link set lo up
  in_network ip address add $gluster_address/32 dev lo
  cat >"$1/glusterd.vol" <<CONFIGURATION
volume management
    type mgmt/glusterd
    option working-directory $1/state
    option run-directory $1/run
    option glusterd-sockfile $1/glusterd.socket
    option transport-type socket
    option transport.socket.bind-address $gluster_address
    option transport.address-family inet
    option transport.socket.keepalive-time 10
    option transport.socket.keepalive-interval 2
    option transport.socket.read-fail-log off
    option ping-timeout 0
    option event-threads 1
end-volume
CONFIGURATION
  in_network /usr/sbin/glusterd -f "$1/glusterd.vol" -p "$1/glusterd.pid" -l "$1/log/glusterd.log" || die "glusterd does not start: see $1/log/glusterd.log"
  until_so 30 "glusterd answers" gluster_cli peer status
  gluster_cli volume create $volume replica 3 $gluster_address:"$1/brick-1" $gluster_address:"$1/brick-2" $gluster_address:"$1/brick-3" force \
    >"$1/log/create" 2>&1 || die "the volume cannot be made: $(cat "$1/log/create")"
  gluster_cli volume start $volume >"$1/log/start" 2>&1 || die "the volume does not start: $(cat "$1/log/start")"
  in_network glusterfs --volfile-server=$gluster_address --volfile-id=$volume -l "$1/log/mount.log" "$1/mnt" || die "the volume cannot be mounted"
  until_so 30 "three bricks are connected" gluster_usable
}

# Not ip-netns(8) exec, which would mount where nobody else sees it.
in_network() {
  nsenter --net="/run/netns/$gluster_network" "$@"
}

gluster_cli() {
  in_network gluster --mode=script --glusterd-sock="$gluster_home/glusterd.socket" --log-file="$gluster_home/log/cli.log" "$@"
}

# Without a quorum of bricks it is read-only.
gluster_usable() {
  mountpoint -q "$gluster_home/mnt" && touch "$gluster_home/mnt/.usable" && rm "$gluster_home/mnt/.usable" &&
    [ "$(grep -c 'Connected, attached to remote volume' "$gluster_home/log/mount.log")" -ge 3 ]
}

stop_gluster() {
  if mountpoint -q "$gluster_home/mnt"; then umount "$gluster_home/mnt"; fi
  # Ends the bricks and the self-heal daemon, which glusterd has started.
  gluster_cli volume stop byzfs-peer force >/dev/null 2>&1
  if [ -s "$gluster_home/glusterd.pid" ]; then kill "$(cat "$gluster_home/glusterd.pid")"; fi
  until_so 30 "all of gluster has ended" gluster_ended
  ip netns delete "$gluster_network"
}

gluster_ended() {
  [ -z "$(ip netns pids "$gluster_network")" ]
}
