#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The tests in which most happens at once, on a kernel that looks for data races of
# the modules (lab/kcsan.config). The first time that kernel is built, which takes
# ten minutes or so.
#
#   check-kcsan.sh [STAGE]...    only these stages, by name
#   KERNEL=6.12 check-kcsan.sh   as check-debug.sh
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export BUILD=${BUILD:-$root/build}
only=("$@")
# Engine programs.
stress=(merge huge lifecycle netlink ledger limits policy scan adverse lostwrite
	race_mm race_swap race_host race_uffd race_huge race_pins race_reload unload.sh)

cd "$root" || exit 1
kernel=${KERNEL:-$(selftests/lab/kernel.sh first-source 7.2 6.12)}-kcsan || exit 1
# shellcheck source=stages.sh
. selftests/stages.sh

selftests/lab/packages.sh check || exit 1

selftests/lab/kernel.sh source 6.12 > /dev/null || exit 1
stage tools build 'lab, guests, tests, command' make --no-print-directory -j2 \
	check-tools
stage kernel build "Linux $kernel" selftests/lab/kernel.sh "$kernel"
stage "module-$kernel" build "vmdedup.ko for $kernel, W=1" \
	selftests/build-module.sh "$kernel" "$BUILD/kmod/$kernel"
modules=$BUILD/kmod/$kernel/kmod
stage "engine-$kernel" suite "$kernel" engine 5400 \
	env LIMIT=1800 VMDEDUP_SCALE=8 "$root/selftests/engine/run.sh" \
	"$BUILD/engine" "$modules/vmdedup.ko" "${stress[@]}"
stage "discovery-machines-$kernel" suite "$kernel" discovery-machines 1800 \
	"$root/selftests/kvm/discovery.sh" "$BUILD/engine" "$modules" machines
summary
