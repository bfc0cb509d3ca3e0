#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Process 1 of the lab once the root file system is there: mounts the rest,
# runs the program, reports its exit status and powers off.
# Standard output is the kernel's console, and so the kernel log.

# shellcheck source=/dev/null
. /run/lab/out/.lab/env
export LAB_KERNEL LAB_OUT LAB_MODULES LAB_DIR
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root TERM=dumb LANG=C.UTF-8

exec </dev/null >/dev/console 2>&1

leave()
{
	sync
	busybox poweroff -f
	# A second way, in case that one is broken.
	echo o >/proc/sysrq-trigger
	sleep 60
}

fail()
{
	echo "lab: $*"
	leave
}

mkdir -p /dev/pts /dev/shm /dev/hugepages /sys/fs/cgroup
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t hugetlbfs hugetlbfs /dev/hugepages
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t debugfs debugfs /sys/kernel/debug
mount -t tracefs tracefs /sys/kernel/tracing
[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd

# /lib may be a link into /usr, and there may be no modules at all out there.
modules=$(readlink -f /lib)/modules
mkdir -p "$modules"
mount --bind "$LAB_KERNEL_DIR/lib/modules" "$modules" || fail "no modules"

sysctl -q -w kernel.sysrq=1 kernel.hung_task_timeout_secs=60 \
	kernel.core_pattern=core || fail "sysctl"
ip link set lo up 2>/dev/null || busybox ifconfig lo up
hostname lab

modprobe kvm_amd || fail "cannot load kvm_amd"
[ -c /dev/kvm ] || fail "no /dev/kvm: does this QEMU offer SVM?"

# A terminal, so that standard output is line-buffered and seen live, but one
# that passes bytes as they are.
[ -c /dev/hvc0 ] || fail "no console for the program"
stty -F /dev/hvc0 raw -echo || fail "stty"

# From here on everything the kernel says belongs to the test.
dmesg -n debug 2>/dev/null || dmesg -n 8
ulimit -c 0
echo "lab: $LAB_KERNEL: up after $(cut -d ' ' -f 1 /proc/uptime) s"

cd "$LAB_CWD" || cd /
mapfile -d '' -t command </run/lab/out/.lab/command
setsid --wait "${command[@]}" <>/dev/hvc0 </dev/null >/dev/hvc0 2>&1
status=$?
stty -F /dev/hvc0 raw 2>/dev/null

echo "lab: program ended with status $status"
echo "$status" >/run/lab/out/.lab/status
leave
