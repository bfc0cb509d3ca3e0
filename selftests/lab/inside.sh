#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Process 1 of the lab once init has mounted everything: runs the program,
# reports its exit status and powers off.

# shellcheck source=/dev/null
. /run/lab/out/.lab/env
export LAB_KERNEL LAB_OUT LAB_MODULES LAB_DIR LAB_BIN
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export HOME=/root TERM=dumb LANG=C.UTF-8

exec </dev/null >/dev/console 2>&1
ulimit -c 0
cd "$LAB_CWD" || cd /
mapfile -d '' -t command </run/lab/out/.lab/command

# With CONFIG_DEBUG_VM it can meet an assertion of its own, see README.md (Limits):
# it looks at one page every ten minutes there.
khugepaged=/sys/kernel/mm/transparent_hugepage/khugepaged
if [[ $LAB_KERNEL == *-debug ]]; then
	echo 1 >$khugepaged/pages_to_scan
	echo 600000 >$khugepaged/scan_sleep_millisecs
fi

"$LAB_BIN/nudge" &
"$LAB_BIN/labrun" /dev/vport0p1 "${command[@]}"
status=$?
echo "lab: program ended with status $status"
echo "$status" >/run/lab/out/.lab/status

sync
busybox poweroff -f
# A second way, should that one be broken.
echo o >/proc/sysrq-trigger
sleep 60
