#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# lab.sh DIR: in the lab, with what install.sh left in DIR put where the
# packages put it: load, look, and let systemd do at boot what it would. Prints
# TAP.
set -uo pipefail

dir=$1
release=$(uname -r)
failed=0
tap()
{
	local name=$1 out

	shift
	if out=$("$@" 2>&1); then
		echo "ok - packages: lab: $name"
	else
		failed=$((failed + 1))
		echo "not ok - packages: lab: $name"
		printf '%s\n' "$out" | sed 's/^/# /' | tail -n 40
	fi
}

# The lab's modules are the machine's, read-only.
install()
{
	mkdir -p /run/modules/data /run/modules/work &&
	mount -t overlay -o lowerdir=/lib/modules,upperdir=/run/modules/data,workdir=/run/modules/work \
		overlay /lib/modules &&
	cp -a "$dir/." /
}

loads()
{
	modprobe vmdedup_kvm && [ -c /dev/vmdedup ] && vmdedup status
}

unloads()
{
	modprobe -r vmdedup_kvm && modprobe -r vmdedup && [ ! -e /dev/vmdedup ]
}

tap 'what was installed is put in place' install
tap "modprobe on $release, vmdedup status" loads
tap 'modprobe -r' unloads
[ "$failed" -eq 0 ]
