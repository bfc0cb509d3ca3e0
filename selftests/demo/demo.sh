#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# make demo: four live KVM guests in a virtual KVM host, before and after their
# memory is de-duplicated. Writes build/demo.json.
#
#   DEMO_KERNEL=6.1   another kernel for the host (6.12)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export BUILD=${BUILD:-$root/build}
kernel=${DEMO_KERNEL:-6.12}
out=$BUILD/demo

say()
{
	echo "demo: $*"
}

# quietly NAME COMMAND...: show the output only if it fails.
quietly()
{
	local what=$1

	shift
	say "$what"
	if ! "$@" > "$BUILD/demo.log" 2>&1; then
		tail -n 40 "$BUILD/demo.log" >&2
		say "failed: $what" >&2
		exit 1
	fi
}

# The closing line says how long all of it took.
began=$SECONDS
cd "$root"
mkdir -p "$BUILD"
rm -f "$BUILD/demo.json"
quietly "building the module for Linux $kernel" \
	make --no-print-directory "lab-module-$kernel"
quietly "building the command and the lab's tools" \
	make --no-print-directory -j2 lab-tools userspace
quietly "making guests of Linux 6.1 and 6.12" make --no-print-directory guests

rm -rf "$out"
say "booting a KVM host with Linux $kernel in a virtual machine"
status=0
selftests/lab/lab.sh -k "$kernel" -m 4096 -t 600 -o "$out" \
	-d "$BUILD/kmod/$kernel/kmod" -- "$root/selftests/demo/inside.sh" ||
	status=$?
if [ ! -s "$out/demo.json" ]; then
	say "failed with status $status; the host's log is $out/klog" >&2
	exit 1
fi
exec selftests/demo/verdict.sh "$out/demo.json" "$BUILD/demo.json" \
	$((SECONDS - began)) "$status"
