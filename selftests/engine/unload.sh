#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Unload the module under processes that hold merged memory, check it and write
# it all the time; load it again and merge again, some times over. TAP.
#
#   unload.sh DIR MODULE
set -u

if [ $# -ne 2 ]; then
	echo "usage: ${0##*/} DIR MODULE" >&2
	exit 2
fi
dir=$1 module=$2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=module.sh
. "$here/module.sh"
# shellcheck source=../lab/books.sh
. "$here/../lab/books.sh"
sysfs=/sys/class/misc/vmdedup

holders=3	# processes
pages=1536	# of each
rounds=4	# loads and unloads while they live
reserve=64	# MiB held back each time

# What may differ between before and after, in pages. Losing the frames of each
# load would be rounds * pages * 5/8; nr_mapped also counts the text of whatever
# program runs at that moment, and free memory what caches of the kernel (slab,
# inodes of /proc) have kept.
mapped_slack=64
free_slack=384
slab_slack=256
# KASAN keeps what was freed for a while, and stack traces for ever. What is lost of
# slab kmemleak.sh finds there.
[ ! -e /sys/kernel/debug/kmemleak ] || free_slack=1536 slab_slack=1536

tmp=$(mktemp -d)
pids=()
count=0 failed=0

# shellcheck disable=SC2317 # called by trap
cleanup()
{
	[ ${#pids[@]} -eq 0 ] || kill -KILL "${pids[@]}" 2>/dev/null
	wait
	if [ -e /sys/module/vmdedup ]; then
		rmmod vmdedup
	fi
	rm -rf "$tmp"
}
trap cleanup EXIT

# check NAME COMMAND...
check()
{
	local name=$1

	shift
	count=$((count + 1))
	if "$@"; then
		echo "ok $count $name"
	else
		failed=$((failed + 1))
		echo "not ok $count $name"
	fi
	say "at $SECONDS s"
}

say()
{
	echo "# $*"
}

counter()
{
	echo "$(<"$sysfs/stats/$1")"
}

# status HOLDER FIELD: from the line that a holder keeps up to date.
status()
{
	local line

	read -r line <"$tmp/$1" 2>/dev/null || return
	line=${line##*"$2 "}
	echo "${line%% *}"
}

start_holders()
{
	local i

	for ((i = 0; i < holders; i++)); do
		"$dir/holder" "$tmp/$i" "$pages" &
		pids+=($!)
	done
	for ((i = 0; i < holders; i++)); do
		wait_for 0 "$i" checks || return 1
	done
}

# wait_for OLD HOLDER FIELD: until it is above OLD; half a minute is for ever.
wait_for()
{
	local now

	for _ in $(seq 300); do
		now=$(status "$2" "$3")
		[ "${now:-0}" -le "$1" ] || return 0
		nap 0.1
	done
	say "holder $2: $3 stays at $1"
	return 1
}

# Every holder has checked and written more, and found nothing wrong.
all_right()
{
	local i ok=0

	for ((i = 0; i < holders; i++)); do
		wait_for $(($(status "$i" checks) + 500)) "$i" checks || ok=1
		[ "$(status "$i" wrong)" = 0 ] || ok=1
		[ "$(status "$i" writes)" -gt 0 ] || ok=1
		[ $ok = 0 ] || say "holder $i: $(cat "$tmp/$i")"
	done
	return $ok
}

# Every holder registers its memory and merges.
merge_all()
{
	local i was ok=0

	for ((i = 0; i < holders; i++)); do
		was=$(status "$i" merges)
		kill -USR1 "${pids[i]}"
		wait_for "$was" "$i" merges || ok=1
		[ "$(status "$i" error)" = 0 ] || ok=1
	done
	return $ok
}

# At the least the half of all pages that nobody writes.
is_merged()
{
	local sharing

	sharing=$(counter pages_sharing)
	say "pages_sharing $sharing"
	[ "$sharing" -ge $(((holders - 1) * pages / 2)) ]
}

# Held back, and so not free: unloading gives it back, see the end.
reserve_is_full()
{
	for _ in $(seq 300); do
		[ "$(counter reserve_pages)" != $((reserve * 256)) ] || return 0
		nap 0.1
	done
	say "reserve_pages $(counter reserve_pages)"
	return 1
}

gone()
{
	[ ! -e /sys/module/vmdedup ] && [ ! -e /dev/vmdedup ] &&
		! grep -q '^vmdedup' /proc/slabinfo
}

unload_flat_out()
{
	echo 10000000 >"$sysfs/scan_rate"
	echo 1 >"$sysfs/run"
	# In the middle of a pass rather than before the first.
	for _ in $(seq 100); do
		[ "$(counter pages_scanned)" -gt $((pages * holders)) ] && break
		nap 0.1
	done
	rmmod vmdedup
}

# The device is open, and a MERGE under way most of the time.
refused_while_merging()
{
	local i ok=0 was

	for ((i = 0; i < holders; i++)); do
		was=$(status "$i" merges)
		kill -USR2 "${pids[i]}"
		wait_for "$was" "$i" merges || ok=1
	done
	for ((i = 0; i < 8; i++)); do
		if rmmod vmdedup 2>/dev/null; then
			say "unloaded in use"
			ok=1
			break
		fi
	done
	[ -c /dev/vmdedup ] || ok=1
	for ((i = 0; i < holders; i++)); do
		kill -USR2 "${pids[i]}"
	done
	return $ok
}

unload()
{
	for _ in $(seq 100); do
		! rmmod vmdedup 2>/dev/null || return 0
		nap 0.1
	done
	rmmod vmdedup
}

foreign()
{
	local n

	n=$(counter skip_foreign)
	say "skip_foreign $n"
	[ "$n" -gt 0 ]
}

stop_holders()
{
	local pid ok=0

	for pid in "${pids[@]}"; do
		kill -TERM "$pid"
		wait "$pid" || ok=1
	done
	pids=()
	return $ok
}

# near NAME WAS IS SLACK
near()
{
	local name=$1 was=$2 is=$3 slack=$4

	say "$name: $was before, $is after"
	[ $((is - was)) -le "$slack" ] && [ $((was - is)) -le "$slack" ]
}

# One time around before the baseline: code, caches and per-CPU memory that
# are only ever used once do not count as leaks.
round_of_all()
{
	load "$module" && start_holders && merge_all && rmmod vmdedup && stop_holders
}

echo "TAP version 13"
if [ -e /sys/module/vmdedup ]; then
	echo "Bail out! vmdedup is loaded"
	exit 1
fi
check "a first round" round_of_all
settle
mapped0=$(vmstat nr_mapped) free0=$(mem_free) slab0=$(slab)

check "processes start" start_holders
for ((n = 1; n <= rounds; n++)); do
	check "$n: load" load "$module"
	echo $((n % 2)) >"$sysfs/run"
	echo $reserve >"$sysfs/reserve_mib"
	check "$n: merge" merge_all
	check "$n: right while merged" all_right
	case $n in
	1)	check "$n: pages are shared" is_merged
		check "$n: memory is held back" reserve_is_full
		check "$n: unload" rmmod vmdedup ;;
	2)	check "$n: frames of the last load are known as such" foreign
		check "$n: unload refused while merging" refused_while_merging
		check "$n: unload afterwards" unload ;;
	*)	check "$n: unload with the scanner flat out" unload_flat_out ;;
	esac
	check "$n: right after the unload" all_right
	check "$n: nothing left of the module" gone
done
check "processes end, all was right" stop_holders

settle
check "nr_mapped is back" near nr_mapped "$mapped0" "$(vmstat nr_mapped)" \
	"$mapped_slack"
check "free memory is back" near free "$free0" "$(mem_free)" "$free_slack"
check "slab is back" near SUnreclaim "$slab0" "$(slab)" "$slab_slack"
echo "1..$count"
[ "$failed" = 0 ]
