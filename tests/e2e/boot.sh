#!/bin/sh
# Becomes systemd-nspawn with a machine's systemd as process 1. It is called inside the network namespace that
# the machine is to have, and as the first process of a mount and a PID namespace of its own: what is mounted
# and what runs here goes with it.
# Usage: boot.sh FOLDER NAME LAYERS    (LAYERS: folders for overlayfs, the uppermost first, colons between)
set -eu
folder=$1 name=$2 layers=$3

# A cgroup of its own: --keep-unit would have two machines share one, each killing the other's processes.
mount -t cgroup2 none "$folder/cgroup"
mkdir -p "$folder/cgroup/$name"
echo $$ >"$folder/cgroup/$name/cgroup.procs"
umount "$folder/cgroup"

# nspawn leaves things in /run/systemd of a host that needs none of them.
mkdir -p /run/systemd
mount -t tmpfs tmpfs /run/systemd
mount -t overlay overlay -o "lowerdir=$layers,upperdir=$folder/upper,workdir=$folder/work" "$folder/root"

# Writable /sys and /proc/sys and the call bpf are what udevd and IPAddressDeny= need. The machine may configure
# its network; what reaches beyond it (the clock, modules) is not among nspawn's own capabilities.
export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 SYSTEMD_NSPAWN_API_VFS_WRITABLE=yes
exec systemd-nspawn --directory="$folder/root" --machine="$name" --boot \
    --register=no --keep-unit --settings=no --console=read-only --kill-signal=SIGRTMIN+3 \
    --link-journal=no --resolv-conf=off --timezone=off \
    --capability=CAP_NET_ADMIN,CAP_BPF,CAP_PERFMON --system-call-filter=bpf
