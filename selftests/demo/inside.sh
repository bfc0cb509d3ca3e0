#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The demo, inside the lab: start guests, load the modules, wait, compare, stop,
# look whether all memory came back. Writes $LAB_OUT/demo.json.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
guest=$LAB_DIR/guest/guest.sh
oracle=$LAB_BIN/oracle
command=${BUILD:-$root/build}/userspace/vmdedup/vmdedup
sysfs=/sys/class/misc/vmdedup
discovery=/sys/module/vmdedup_kvm/parameters
# Name and kernel of each guest.
guests=(amber:6.1 birch:6.1 cedar:6.12 delta:6.12)
guest_mib=128
names=("${guests[@]%:*}")

# shellcheck source=../lab/books.sh
. "$LAB_DIR/books.sh"
# shellcheck source=../lab/regions.sh
. "$LAB_DIR/regions.sh"

say()
{
	echo "demo: $*"
}

meminfo()
{
	awk -v key="$1:" '$1 == key { print $2 }' /proc/meminfo
}

json_number()
{
	sed -n "s/^ *\"$2\": *\\([0-9.]*\\).*/\\1/p" "$1" | head -n 1
}

mib()
{
	awk -v pages="$1" 'BEGIN { printf "%.1f", pages / 256 }'
}

start_guests()
{
	local each

	for each in "${guests[@]}"; do
		"$guest" start "${each%:*}" "${each#*:}" "$guest_mib" &
	done
	wait
	for each in "${names[@]}"; do
		"$guest" wait-ready "$each"
		say "  guest $each runs and checks its memory"
	done
}

counter()
{
	cat "$sysfs/stats/$1"
}

# The regions of the guests, as the oracle wants them: what else their QEMUs have
# is nobody's guest.
ranges()
{
	"$command" --pretty status | ranges_of "${pids[@]}"
}

# Until so many passes more are complete: the last began after now.
passes()
{
	local i want

	want=$(($(counter full_scans) + $1))
	for ((i = 0; i < 300; i++)); do
		[ "$(counter full_scans)" -lt $want ] || return 0
		sleep 1
	done
	say "the scanner has not come around in $i s"
	return 1
}

all_found()
{
	local pid found

	found=$("$command" --pretty status)
	for pid in "${pids[@]}"; do
		grep -q "\"pid\": $pid\>" <<< "$found" || return 1
	done
}

# Each guest goes through all of its memory once.
verify()
{
	local each answer bad=0

	for each in "${names[@]}"; do
		answer=$("$guest" cmd "$each" verify)
		[[ $answer == ok* ]] || { bad=1; say "  guest $each: $answer"; }
	done
	[ "$bad" -eq 0 ] && say "  every guest found all of its data as it left it"
	return 0
}

trap '"$guest" stop-all > /dev/null 2>&1 || true' EXIT

# The host.
say "host: Linux $(uname -r), $(($(meminfo MemTotal) / 1024)) MiB"
# Fills the caches that a first guest fills, before the books are read.
"$guest" start warm 6.12 64
"$guest" kill warm
"$guest" stop-all
base=$(settled unexplained)
base_mapped=$(settled vmstat nr_mapped)

# The guests.
say "starting ${#guests[@]} guests of $guest_mib MiB, two of Linux 6.1, two of 6.12"
start_guests
pids=()
for name in "${names[@]}"; do
	pids+=("$("$guest" pid "$name")")
done
"$oracle" --json "${pids[@]}" > /tmp/before.json
free_before=$(meminfo MemFree)
say "before: $(mib "$(json_number /tmp/before.json resident_pages)") MiB in use by guests," \
	"of which $(mib "$(json_number /tmp/before.json possible_pages)") MiB could be saved"

# All that an operator does.
say "loading the modules"
insmod "$LAB_MODULES/vmdedup.ko"
insmod "$LAB_MODULES/vmdedup_kvm.ko"
for ((waited = 0; waited < 60; waited++)); do
	! all_found || break
	sleep 1
done
all_found
say "  found $(< $discovery/vms) virtual machines, $(counter regions) regions"
say "merging in the background, with the default policy for huge pages" \
	"(split from 128 of 512 pages on)"
passes 3
mapfile -t where < <(ranges)
"$oracle" --json "${where[@]}" > /tmp/default.json
kept=0
for pid in "${pids[@]}"; do
	kept=$((kept + $(awk '/^AnonHugePages/ { print $2 / 2048 }' "/proc/$pid/smaps_rollup")))
done
say "  saved $(mib "$(json_number /tmp/default.json saved_pages)") MiB, kept $kept huge pages whole"
say "merging with huge pages always split (huge_split_pages=1), to save all there is"
echo 1 > $sysfs/huge_split_pages
passes 3

# After.
mapfile -t where < <(ranges)
"$oracle" --json "${where[@]}" > /tmp/after.json
free_after=$(meminfo MemFree)
"$command" status --count > /tmp/status
sed 's/^/  /' /tmp/status
say "host: free memory $((free_before / 1024)) MiB before, $((free_after / 1024)) MiB after"
say "checking all memory of all guests, and writing to merged memory of one"
verify
answer=$("$guest" cmd amber rewrite)
say "  guest amber wrote to what was merged, and then found: $answer"
verify

# All back.
say "shutting the guests down and unloading the module"
"$guest" stop-all
corrupt=$("$guest" corrupt-count)
rmmod vmdedup_kvm vmdedup
end=$(settled unexplained)
end_mapped=$(settled vmstat nr_mapped)
# The kernel's own books vary by this much without any module, since each CPU
# keeps its part of a counter to itself for a while: a MiB.
noise=256
leaked=$((end - base > noise ? end - base : 0))
# Meanwhile this shell has come to use more of its own program.
shell_noise=64
mapped=$((end_mapped - base_mapped))
mapped=$((mapped > shell_noise ? mapped : 0))
say "  unexplained pages: $base before, $end after; mapped file pages:" \
	"$base_mapped before, $end_mapped after"

possible=$(json_number /tmp/after.json possible_pages)
saved=$(json_number /tmp/after.json saved_pages)
cat > "$LAB_OUT/demo.json" <<END
{
  "kernel": "$(uname -r)",
  "guests": ${#guests[@]},
  "guest_mib": $guest_mib,
  "resident_mib": $(mib "$(json_number /tmp/before.json resident_pages)"),
  "oracle_mib": $(mib "$possible"),
  "saved_mib": $(mib "$saved"),
  "saved_ratio": $(awk -v s="$saved" -v p="$possible" 'BEGIN { printf "%.4f", s / p }'),
  "default_saved_mib": $(mib "$(json_number /tmp/default.json saved_pages)"),
  "default_huge_kept": $kept,
  "free_before_mib": $((free_before / 1024)),
  "free_after_mib": $((free_after / 1024)),
  "corrupt": $corrupt,
  "leaked_pages": $((leaked + mapped)),
  "unexplained_before": $base,
  "unexplained_after": $end,
  "seconds": 0
}
END
