# bindfs: a directory shown elsewhere through FUSE by libfuse. What FUSE itself costs.
start_bindfs() {
  bindfs_home=$1
  need bindfs
  mkdir "$1/data"
  bindfs "$1/data" "$1/mnt" || die "bindfs cannot mount"
}

stop_bindfs() {
  if mountpoint -q "$bindfs_home/mnt"; then umount "$bindfs_home/mnt"; fi
}
