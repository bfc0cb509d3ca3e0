#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A soak: guests and processes with a mixed load, registrations and tunables that
# change at random, for long; in the end an independent count, checksums and the
# kernel's books. TAP, with a line of progress every 20 seconds (80 where all is slow).
#
#   soak.sh                   on 6.12, for 15 minutes
#   KERNEL=7.2-debug soak.sh  on a kernel that looks for mistakes (lab/kernel.sh),
#                             for five minutes
#   SOAK_SECONDS=60           so long
#   SOAK_SEED=N               the choices of an earlier run
#   SOAK_GUESTS=N             so many guests (2); without any the modules are
#                             unloaded and loaded, too, and a processor goes and
#                             comes
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export BUILD=${BUILD:-$root/build}
kernel=${KERNEL:-6.12}
case $kernel in
*-debug) seconds=300 patience=4 ;;
*)	seconds=900 patience=1 ;;
esac
seconds=${SOAK_SECONDS:-$seconds} guests=${SOAK_GUESTS:-2}
seed=${SOAK_SEED:-$((RANDOM * 32768 + RANDOM))}
modules=$BUILD/kmod/$kernel/kmod

case $seconds$guests$seed in
*[!0-9]*)
	echo "soak.sh: SOAK_SECONDS, SOAK_GUESTS and SOAK_SEED are numbers" >&2
	exit 2
esac
name=soak-$kernel
[ "$guests" -gt 0 ] || name=soak-processes-$kernel
cd "$root"
echo "# soak on $kernel: SOAK_SECONDS=$seconds SOAK_GUESTS=$guests SOAK_SEED=$seed"
# Guests boot, are asked to verify at the end, and a debug kernel takes its time.
exec selftests/lab/lab.sh -k "$kernel" -t $((seconds + 2400)) \
	-o "$BUILD/check/$name" -d "$modules" -- \
	env VMDEDUP_PATIENCE=$patience "$root/selftests/soak/inside.sh" "$BUILD/engine" "$modules" \
	"$seconds" "$seed" "$guests"
