#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# smoke.sh KERNEL: do the benchmark's programs work? A tiny run, of which only
# matters that contents are right and that no figure is missing. Prints TAP.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export BUILD=${BUILD:-$root/build}
kernel=$1
out=$BUILD/bench/smoke
count=0 failed=0

tap()
{
	local name=$1 said

	shift
	count=$((count + 1))
	if said=$("$@" 2>&1); then
		echo "ok $count bench: $name"
	else
		failed=$((failed + 1))
		echo "not ok $count bench: $name"
		tail -n 40 <<< "$said" | sed 's/^/# /'
	fi
}

in_lab()
{
	rm -rf "$out"
	mkdir -p "$out"
	cat > "$out/settings" <<-END
	BENCH_PROCS=4
	BENCH_MIB=16
	BENCH_ROUNDS=1
	BENCH_SECONDS=1
	BENCH_IDLE=1
	BENCH_PHASES='base huge steady latency economy'
	END
	"$root/selftests/lab/lab.sh" -k "$kernel" -m 1536 -t 300 -o "$out" \
		-a slab_nomerge -d "$BUILD/kmod/$kernel/kmod" -- \
		"$root/selftests/bench/inside.sh" "$BUILD/bench/bench"
}

all_figures()
{
	"$BUILD/bench/report" -g "$out/bench.json" "$out"
}

fits()
{
	! "$BUILD/bench/report" -g "$out/bench.json" "$out" "$out" | grep -E '.{101}'
}

core()
{
	local key

	"$BUILD/bench/core" -q "$out/core.json" || return 1
	for key in sketch_4 sketch_8 sketch_16 bare_4 sketch_share_16 checksum memcmp \
		tree_insert_1e6 tree_lookup_1e7 filter_note filter_bytes filter_false; do
		grep -q "\"$key\":" "$out/core.json" || {
			echo "no $key"
			return 1
		}
	done
}

tap "a tiny run on $kernel, contents verified" in_lab
tap 'no figure is missing' all_figures
tap 'the table of two kernels fits 100 columns' fits
tap 'the pure core, natively' core
echo "1..$count"
[ "$failed" -eq 0 ]
