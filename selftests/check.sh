#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# All tests. Every stage prints TAP (and is kept in build/check/); the last
# line counts: N passed, N failed.
#
#   check.sh [STAGE]...    only these stages, by name
#   ALL=1 check.sh         what takes long on all kernels, not only on the last
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export BUILD=${BUILD:-$root/build}
kernels=${KERNELS:-6.1 6.12}
export ALL=${ALL-}
only=("$@")

cd "$root" || exit 1
# shellcheck source=stages.sh
. selftests/stages.sh

# Is what takes long to be run on a kernel?
on_this()
{
	[ -n "$ALL" ] || [ "$1" = "${kernels##* }" ]
}

unit()
{
	CMOCKA_MESSAGE_OUTPUT=TAP make --no-print-directory -C "$1" \
		O="$BUILD/$2" check CI=1
}

selftests/lab/packages.sh check || exit 1

# The kernel that looks for mistakes is built while labs wait for this or that; the
# stage of it waits for what is left. (timeout ends all that it has started.)
if wanted debug; then
	selftests/lab/packages.sh debug || exit 1
	debug=$(selftests/lab/kernel.sh first-source 7.2 6.12)-debug || exit 1
	nice timeout 3600 selftests/lab/kernel.sh "$debug" > "$logs/kernel-debug.log" 2>&1 &
	# shellcheck disable=SC2064 # expand now
	trap "kill $! 2> /dev/null" EXIT
	trap 'exit 130' INT TERM HUP
fi
selftests/lab/kernel.sh source 6.12 > /dev/null || exit 1
echo "# the lab is emulated by $("$(selftests/lab/qemu.sh)" --version | head -n 1)"
stage tools build 'lab, guests, tests, command' make --no-print-directory -j2 \
	check-tools
for kernel in $kernels; do
	stage "module-$kernel" build "vmdedup.ko for $kernel, W=1" \
		make --no-print-directory "lab-module-$kernel"
	on_this "$kernel" || continue
	# With a way to have memory errors, for the tests of what finds them.
	stage "module-$kernel-inject" build "vmdedup.ko for $kernel, VMDEDUP_DEBUG" \
		selftests/build-module.sh "$kernel" "$BUILD/kmod/$kernel-inject" \
		VMDEDUP_DEBUG=1
done
stage unit unit selftests/unit unit
stage userspace unit userspace userspace-check
stage splats selftests/lab/splats-test.sh
stage oracle make --no-print-directory -C selftests/lab O="$BUILD/lab" check
stage lint selftests/lint.sh
stage dkms selftests/dkms.sh
stage packages selftests/packages.sh
for kernel in $kernels; do
	modules=$BUILD/kmod/$kernel/kmod
	module=$modules/vmdedup.ko
	stage "engine-$kernel" suite "$kernel" engine 1800 \
		env ALL="$(! on_this "$kernel" || echo 1)" \
		"$root/selftests/engine/run.sh" "$BUILD/engine" "$module"
	[ -z "$ALL" ] || stage "numa-$kernel" suite "$kernel" numa 300 -n 2 -- \
		"$root/selftests/engine/run.sh" "$BUILD/engine" "$module" race_numa
	# Kernels differ in what pagemap and kpageflags tell.
	stage "estimate-$kernel" suite "$kernel" estimate 300 \
		env CMOCKA_MESSAGE_OUTPUT=TAP \
		"$BUILD/userspace-check/tests/test_estimate_live"
	stage "discovery-machines-$kernel" suite "$kernel" discovery-machines \
		1200 "$root/selftests/kvm/discovery.sh" "$BUILD/engine" \
		"$modules" machines
	on_this "$kernel" || continue
	stage "scrub-$kernel" suite "$kernel" scrub 900 \
		"$root/selftests/engine/run.sh" "$BUILD/engine" \
		"$BUILD/kmod/$kernel-inject/kmod/vmdedup.ko" scrub
	stage "kvm-$kernel" kvm_suite "$kernel" kvm 1800 \
		"$root/selftests/kvm/run.sh" "$module"
	[ -z "$ALL" ] || stage "migrate-$kernel" kvm_suite "$kernel" migrate 1800 \
		"$root/selftests/kvm/migrate.sh" "$module"
	stage "discovery-guests-$kernel" kvm_suite "$kernel" discovery-guests 1800 \
		"$root/selftests/kvm/discovery.sh" "$BUILD/engine" "$modules" \
		guests
done
stage bench selftests/bench/smoke.sh "${kernels##* }"
if [ -n "${debug-}" ]; then
	stage debug-kernel build "Linux $debug" selftests/lab/kernel.sh "$debug"
	stage debug-module build "vmdedup.ko for $debug, W=1" \
		selftests/build-module.sh "$debug" "$BUILD/kmod/$debug" VMDEDUP_DEBUG=1
	stage debug suite "$debug" debug 1800 env VMDEDUP_RACE_SECS=3 VMDEDUP_SCALE=8 \
		"$root/selftests/engine/run.sh" "$BUILD/engine" \
		"$BUILD/kmod/$debug/kmod/vmdedup.ko" essential
fi

# What a host looks like that was booted without memory cgroups.
stage memcg-off suite 6.12 memcg-off 600 -a cgroup_disable=memory -- \
	"$root/selftests/engine/run.sh" "$BUILD/engine" \
	"$BUILD/kmod/6.12/kmod/vmdedup.ko" policy

summary
