#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# make bench: KSM and vmdedup compared in the lab, in one boot of each kernel.
# Prints a table and writes build/bench.json; progress goes to standard error.
# Documentation/benchmarks.rst tells what is measured. From the environment:
#
#   BENCH_QUICK=1      small and once, on one kernel: for development
#   BENCH_KERNELS      6.12 6.1
#   BENCH_PROCS        processes (8)
#   BENCH_MIB          memory of each (256)
#   BENCH_ROUNDS       of which the median counts (3)
#   BENCH_SECONDS      for which latency is measured, and steady state at least (5)
#   BENCH_IDLE         seconds for which both are watched at their defaults (70)
#   BENCH_PHASES       base huge steady latency economy guests; with only some
#                      of them, figures are missing
#   BENCH_INSTRUCTIONS=1  count instructions instead of time (lab.sh -i): a microsecond
#                      stands for a thousand; one processor, no guests; slow
#   BENCH_LAB_MIB      memory of the lab
#   BENCH_LIMIT        seconds that the lab may take
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export BUILD=${BUILD:-$root/build}
out=$BUILD/bench/out
all='base huge steady latency economy guests'

partly=() counting=()
if [ "${BENCH_INSTRUCTIONS-}" = 1 ]; then
	all='base steady latency'
	counting=(-i)
	partly+=(-i -n)
fi
if [ "${BENCH_QUICK-}" = 1 ]; then
	kernels=6.12 mib=32 rounds=1 seconds=2 limit=900
else
	kernels='6.12 6.1' mib=256 rounds=3 seconds=5 limit=5400
fi
kernels=${BENCH_KERNELS:-$kernels}
BENCH_PROCS=${BENCH_PROCS:-8}
BENCH_MIB=${BENCH_MIB:-$mib}
BENCH_ROUNDS=${BENCH_ROUNDS:-$rounds}
BENCH_SECONDS=${BENCH_SECONDS:-$seconds}
BENCH_IDLE=${BENCH_IDLE:-70}
BENCH_PHASES=${BENCH_PHASES:-$all}
limit=${BENCH_LIMIT:-$limit}
# KSM's own memory comes on top of the workload's.
lab_mib=${BENCH_LAB_MIB:-$((BENCH_PROCS * BENCH_MIB * 5 / 4 + 3072))}

cd "$root"
mkdir -p "$BUILD/bench"
dirs=()
for kernel in $kernels; do
	make --no-print-directory "lab-module-$kernel" >&2
done
make --no-print-directory -j2 lab-tools bench-tools >&2
case " $BENCH_PHASES " in
*' guests '*) make --no-print-directory guests >&2 ;;
esac
for kernel in $kernels; do
	echo "bench: Linux $kernel, ${lab_mib} MiB" >&2
	dir=$out/$kernel
	rm -rf "$dir"
	mkdir -p "$dir"
	for name in PROCS MIB ROUNDS SECONDS IDLE PHASES; do
		declare -n value=BENCH_$name
		printf '%s=%q\n' "BENCH_$name" "$value"
	done > "$dir/settings"
	# What the slab allocator merges with others it does not tell apart.
	selftests/lab/lab.sh -k "$kernel" -m "$lab_mib" -t "$limit" -o "$dir" \
		"${counting[@]}" -a slab_nomerge -d "$BUILD/kmod/$kernel/kmod" -- \
		"$root/selftests/bench/inside.sh" "$BUILD/bench/bench" >&2
	dirs+=("$dir")
done
[ "$BENCH_PHASES" = "$all" ] || partly+=(-n)
BENCH_HOST="$("$("$root/selftests/lab/qemu.sh")" --version | head -n 1), TCG; $(nproc) CPUs; $(date -u +%F)" \
	"$BUILD/bench/report" "${partly[@]}" "$BUILD/bench.json" "${dirs[@]}"
