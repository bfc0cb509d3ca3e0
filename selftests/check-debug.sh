#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The engine's tests and those with guests on a kernel that looks for mistakes
# (debug.config): KASAN, lockdep, DEBUG_VM, PAGE_TABLE_CHECK, UBSAN, kmemleak; and some
# on the same without DEBUG_VM. The first time both kernels are built, which takes ten
# minutes or so each.
#
#   check-debug.sh [STAGE]...    only these stages, by name
#   KERNEL=6.12 check-debug.sh   on another kernel of which Debian has the source; by
#                                default 7.2 if it can be had, else 6.12
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export BUILD=${BUILD:-$root/build}
only=("$@")
# For so long each of the races goes on, and so many times as little is done where it
# is a matter of numbers: all is ten times as slow here.
race_secs=10 scale=8

cd "$root" || exit 1
kernel=${KERNEL:-$(selftests/lab/kernel.sh first-source 7.2 6.12)}-debug || exit 1
# shellcheck source=stages.sh
. selftests/stages.sh

selftests/lab/packages.sh check || exit 1

selftests/lab/kernel.sh source 6.12 > /dev/null || exit 1
stage tools build 'lab, guests, tests, command' make --no-print-directory -j2 \
	check-tools
stage kernel build "Linux $kernel" selftests/lab/kernel.sh "$kernel"
stage "module-$kernel" build "vmdedup.ko for $kernel, W=1" \
	selftests/build-module.sh "$kernel" "$BUILD/kmod/$kernel" VMDEDUP_DEBUG=1
modules=$BUILD/kmod/$kernel/kmod
# A lab for each group: what was seen so far counts if one has to be stopped.
for group in $(selftests/engine/run.sh groups); do
	stage "$group-$kernel" suite "$kernel" "$group" 5400 \
		env ALL=1 LIMIT=1800 VMDEDUP_RACE_SECS=$race_secs \
		VMDEDUP_SCALE=$scale \
		"$root/selftests/engine/run.sh" "$BUILD/engine" \
		"$modules/vmdedup.ko" "$group"
done
stage "numa-$kernel" suite "$kernel" numa 900 -n 2 -- \
	env VMDEDUP_RACE_SECS=$race_secs "$root/selftests/engine/run.sh" \
	"$BUILD/engine" "$modules/vmdedup.ko" race_numa
stage "soak-processes-$kernel" env KERNEL="$kernel" SOAK_GUESTS=0 selftests/soak.sh
stage "soak-$kernel" env KERNEL="$kernel" selftests/soak.sh
stage "discovery-machines-$kernel" suite "$kernel" discovery-machines 1800 \
	"$root/selftests/kvm/discovery.sh" "$BUILD/engine" "$modules" machines
stage "kvm-$kernel" kvm_suite "$kernel" kvm 5400 \
	env VMDEDUP_PATIENCE=4 "$root/selftests/kvm/run.sh" "$modules/vmdedup.ko"
stage "migrate-$kernel" kvm_suite "$kernel" migrate 5400 \
	env VMDEDUP_PATIENCE=4 "$root/selftests/kvm/migrate.sh" "$modules/vmdedup.ko"

# What is skipped where memory management has assertions, two of which are wrong.
kernel=${kernel%-debug}-noassert
stage "kernel-$kernel" build "Linux $kernel" selftests/lab/kernel.sh "$kernel"
stage "module-$kernel" build "vmdedup.ko for $kernel, W=1" \
	selftests/build-module.sh "$kernel" "$BUILD/kmod/$kernel" VMDEDUP_DEBUG=1
stage "huge-$kernel" suite "$kernel" huge 1800 \
	env VMDEDUP_RACE_SECS=$race_secs VMDEDUP_SCALE=$scale \
	"$root/selftests/engine/run.sh" "$BUILD/engine" \
	"$BUILD/kmod/$kernel/kmod/vmdedup.ko" \
	huge uffd race_huge race_uffd kmemleak.sh
summary
