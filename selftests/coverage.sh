#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Which lines of the modules the tests reach: they run on a kernel that counts, where
# allocations can be made to fail (lab/gcov.config); the first time it is built, which
# takes ten minutes or so. Prints a summary; build/coverage.txt has it, and each line
# that was not reached.
#
#   coverage.sh [STAGE]...      only these stages, by name; "report" is one
#   KERNEL=6.12 coverage.sh     as check-debug.sh
#   PROGRAMS="merge scan" coverage.sh   only these of the engine's
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export BUILD=${BUILD:-$root/build}
only=("$@")

cd "$root" || exit 1
kernel=${KERNEL:-$(selftests/lab/kernel.sh first-source 7.2 6.12)}-gcov || exit 1
# shellcheck source=stages.sh
. selftests/stages.sh
modules=$BUILD/kmod/$kernel
inside=$root/selftests/coverage/inside.sh
read -ra programs <<<"${PROGRAMS-}"

# counted NAME SECONDS PROGRAM [ARG]...: in the lab
counted()
{
	local name=$1 limit=$2

	shift 2
	rm -rf "$logs/gcov-$name"
	# Caches of the modules' own, for the tests of what is left in them.
	selftests/lab/lab.sh -k "$kernel" -t "$limit" -o "$logs/gcov-$name" \
		-a slab_nomerge -d "$modules/kmod" -- "$inside" "$modules" "$@"
}

report()
{
	selftests/coverage/report.py "$modules" "$logs"/gcov-*/gcov \
		>"$BUILD/coverage.txt" || return 1
	sed '/^$/q' "$BUILD/coverage.txt" | sed 's/^/# /'
	echo "ok 1 report: $BUILD/coverage.txt"
}

selftests/lab/packages.sh check || exit 1

selftests/lab/kernel.sh source 6.12 > /dev/null || exit 1
stage tools build 'lab, guests, tests, command' make --no-print-directory -j2 \
	check-tools
stage kernel build "Linux $kernel" selftests/lab/kernel.sh "$kernel"
stage module build "vmdedup.ko for $kernel, counting" \
	selftests/build-module.sh "$kernel" "$modules" GCOV_PROFILE=y \
	VMDEDUP_DEBUG=1
stage engine counted engine 5400 env ALL=1 "$root/selftests/engine/run.sh" \
	"$BUILD/engine" "$modules/kmod/vmdedup.ko" "${programs[@]}"
stage discovery counted discovery 1800 "$root/selftests/kvm/discovery.sh" \
	"$BUILD/engine" "$modules/kmod" machines
stage report report
summary
