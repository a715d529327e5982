#!/bin/sh
# Removes the cgroups that a machine leaves when it has ended. Called in a mount namespace of its own.
# Usage: sweep.sh FOLDER NAME
set -eu
folder=$1 name=$2
mount -t cgroup2 none "$folder/cgroup"
tries=0
while [ -d "$folder/cgroup/$name" ] && [ $tries -lt 50 ]; do
    find "$folder/cgroup/$name" -depth -type d -exec rmdir {} + 2>/dev/null && exit
    tries=$((tries + 1))
    sleep 0.1 # the kernel is still taking leave of a process
done
[ ! -d "$folder/cgroup/$name" ]
