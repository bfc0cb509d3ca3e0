#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# lab.sh DIR: in the lab, with what install.sh left in DIR put where the
# packages put it: load, look, and let systemd do at boot what it would. Prints
# TAP.
set -uo pipefail

dir=$1
release=$(uname -r)
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"

# The lab's modules are the machine's, read-only.
install()
{
	mkdir -p /run/modules/data /run/modules/work &&
	mount -t overlay -o lowerdir=/lib/modules,upperdir=/run/modules/data,workdir=/run/modules/work \
		overlay /lib/modules &&
	tar -c -C "$dir" . | tar -x -C / --keep-directory-symlink
}

loads()
{
	modprobe vmdedup_kvm && [ -c /dev/vmdedup ] && vmdedup status
}

unloads()
{
	modprobe -r vmdedup_kvm && modprobe -r vmdedup && [ ! -e /dev/vmdedup ]
}

# in_systemd COMMAND...: where systemd knows who asks.
in_systemd()
{
	timeout 60 nsenter --target "$(cat /run/systemd.pid)" --pid --mount -- "$@"
}

# systemd as the first process of a PID namespace, with what the packages enabled
# and nothing that this machine did: its boot would take minutes here.
boot()
{
	local wants=/etc/systemd/system unit end=$((SECONDS + 120))

	find $wants -path '*.wants/*' ! -name 'vmdedup*' -delete
	rm -f $wants/default.target
	printf '%s\n' '[Unit]' 'Requires=basic.target' 'After=basic.target' \
		'Wants=multi-user.target' > $wants/lab.target
	for unit in getty.target systemd-logind.service dbus.service \
		systemd-networkd.service systemd-user-sessions.service \
		e2scrub_reap.service systemd-udev-trigger.service; do
		ln -sf /dev/null "$wants/$unit"
	done
	echo 'scan_rate = 12345' > /etc/vmdedup.conf
	mkdir -p /var/lib/prometheus/node-exporter
	# What the machine that builds is must not be what a host is taken for.
	rm -f /.dockerenv /run/.containerenv
	env -i PATH="$PATH" setsid unshare --pid --fork --mount --mount-proc --kill-child \
		/lib/systemd/systemd --unit=lab.target \
		< /dev/null > /run/systemd.log 2>&1 &
	until [ $SECONDS -gt $end ]; do
		sleep 1
		# The child of what was just begun.
		pgrep -P $! -x systemd > /run/systemd.pid || continue
		case $(in_systemd systemctl is-system-running 2> /dev/null) in
		running|degraded)	return 0 ;;
		esac
	done
	cat /run/systemd.log
	in_systemd systemctl --no-pager list-jobs
	return 1
}

# unit NAME STATE: it did what it should.
unit()
{
	local state

	state=$(in_systemd systemctl show -p Result,ExecMainStatus,ActiveState "$1" |
		LC_ALL=C sort | paste -sd ' ')
	echo "$1: $state"
	in_systemd journalctl --no-pager -u "$1" 2> /dev/null
	[ "$state" = "$2" ]
}

settings()
{
	unit vmdedup.service 'ActiveState=active ExecMainStatus=0 Result=success' &&
	[ "$(cat /sys/class/misc/vmdedup/scan_rate)" = 12345 ]
}

reload()
{
	echo 'scan_rate = 23456' > /etc/vmdedup.conf
	in_systemd systemctl reload vmdedup.service &&
	[ "$(cat /sys/class/misc/vmdedup/scan_rate)" = 23456 ]
}

# The timer did it, or does it within half a minute.
metrics()
{
	local file=/var/lib/prometheus/node-exporter/vmdedup.prom end=$((SECONDS + 60))

	until [ -s $file ] || [ $SECONDS -gt $end ]; do
		sleep 1
	done
	unit vmdedup-metrics.service 'ActiveState=inactive ExecMainStatus=0 Result=success' &&
	grep -q '^vmdedup_guests ' $file &&
	[ "$(stat -c %a $file)" = 644 ]
}

# By udev's rule: as for /dev/kvm.
device()
{
	udevadm settle --timeout=30
	ls -l /dev/vmdedup
	[ "$(stat -c '%a %G' /dev/vmdedup)" = '660 kvm' ]
}

stops()
{
	in_systemd systemctl stop vmdedup.service && [ ! -e /sys/module/vmdedup ]
}

tap 'lab: what was installed is put in place' install
tap "lab: modprobe on $release, vmdedup status" loads
tap 'lab: modprobe -r' unloads
tap 'lab: systemd starts' boot
tap 'lab: vmdedup.service loads the modules and applies vmdedup.conf' settings
tap 'lab: systemctl reload vmdedup applies it again' reload
tap 'lab: vmdedup-metrics.timer writes metrics for Prometheus' metrics
tap 'lab: udev gives /dev/vmdedup to the group kvm' device
tap 'lab: systemctl stop vmdedup unloads the modules' stops
[ "$failed" -eq 0 ]
