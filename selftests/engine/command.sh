#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The vmdedup command against the module: each subcommand that talks netlink,
# with two processes that hold merged memory. TAP.
#
#   command.sh DIR MODULE
#
# VMDEDUP=PROGRAM: the command, if it is not ../userspace beside DIR.
set -u

if [ $# -ne 2 ]; then
	echo "usage: ${0##*/} DIR MODULE" >&2
	exit 2
fi
dir=$1 module=$2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=module.sh
. "$here/module.sh"
vmdedup=${VMDEDUP:-$dir/../userspace/vmdedup/vmdedup}
sysfs=/sys/class/misc/vmdedup
pages=1024

tmp=$(mktemp -d)
pids=()
count=0 failed=0

# shellcheck disable=SC2317 # called by trap
cleanup()
{
	[ ${#pids[@]} -eq 0 ] || kill -KILL "${pids[@]}" 2>/dev/null
	wait
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
		sed 's/^/# out: /' "$tmp/out" | head -n 20
		sed 's/^/# err: /' "$tmp/err" | head -n 5
	fi
}

# run STATUS ARGUMENT...: the command ends with that status.
run()
{
	local wanted=$1 status

	shift
	timeout -k 5 60 "$vmdedup" "$@" >"$tmp/out" 2>"$tmp/err"
	status=$?
	[ "$status" -eq "$wanted" ] ||
		echo "# vmdedup $*: status $status instead of $wanted"
	[ "$status" -eq "$wanted" ]
}

# prints PATTERN ARGUMENT...: it succeeds, complains about nothing, and says that.
prints()
{
	local pattern=$1

	shift
	run 0 "$@" && [ ! -s "$tmp/err" ] && grep -qE "$pattern" "$tmp/out"
}

# refuses PATTERN ARGUMENT...: status 2, nothing but an error that says that.
refuses()
{
	local pattern=$1

	shift
	run 2 "$@" && [ ! -s "$tmp/out" ] && grep -qE "$pattern" "$tmp/err"
}

# wait_for TENTHS COMMAND...
wait_for()
{
	local tenths=$1

	shift
	while ! "$@"; do
		tenths=$((tenths - 1))
		[ "$tenths" -gt 0 ] || return 1
		nap 0.1
	done
}

has_merged()
{
	grep -qE ' merges [1-9]' "$tmp/status.$1"
}

start_holder()
{
	"$dir/holder" "$tmp/status.$1" $pages &
	pids+=($!)
	wait_for 300 grep -qE 'checks [1-9]' "$tmp/status.$1" 2>/dev/null
}

# number FILE KEY: of the first such member of JSON on one line.
number()
{
	grep -oE "\"$2\":[0-9]+" "$1" | head -n 1 | cut -d: -f2
}

# Counters of one instant: while nothing moves they are those of sysfs.
same_as_sysfs()
{
	local name

	for name in pages_shared regions full_scans pages_merged skip_pinned; do
		[ "$(number "$tmp/out" $name)" = "$(cat "$sysfs/stats/$name")" ] ||
			return 1
	done
}

# Asking has the module count anew, in the background.
merged_is_told()
{
	run 0 --json guests && [ "$(number "$tmp/out" merged)" -gt 0 ]
}

saved_is_told()
{
	run 0 --json top --batch 1 && [ "$(number "$tmp/out" saved_bytes)" -gt 0 ]
}

unprivileged()
{
	setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all \
		--bounding-set=-all timeout -k 5 60 "$vmdedup" "$@" \
		>"$tmp/out" 2>"$tmp/err"
}

is_refused_to_nobody()
{
	unprivileged "$@"
	[ $? -eq 2 ] && [ ! -s "$tmp/out" ] && grep -q CAP_NET_ADMIN "$tmp/err"
}

tells_nobody()
{
	unprivileged "$@" && [ -s "$tmp/out" ] && [ ! -s "$tmp/err" ]
}

registers_heard()
{
	"$vmdedup" register "${pids[1]}" >/dev/null
	wait_for 10 grep -q '"type":"region_registered"' "$tmp/out" && return
	# Nothing tells from outside when the listener listens: once more.
	"$vmdedup" unregister --pid "${pids[1]}" >/dev/null
	return 1
}

hears_of_region()
{
	local listener

	# Else timeout sends it each signal twice: the second one may come when it
	# has done with the first, and kills it.
	timeout --foreground -k 5 120 "$vmdedup" --json monitor --timeout 110 \
		>"$tmp/out" 2>"$tmp/err" &
	listener=$!
	wait_for 60 registers_heard
	kill -INT $listener
	wait $listener && grep -q "\"pid\":${pids[1]}\b" "$tmp/out"
}

echo 0 >"$sysfs/run"
touch "$tmp/out" "$tmp/err"
check "no guests: said so" prints '^no guests' guests
check "no guests: an empty list" prints '^\{"guests":\[\]\}$' --json guests

check "two processes start" eval 'start_holder 1 && start_holder 2'
kill -USR1 "${pids[0]}"
check "one registers and merges" wait_for 600 has_merged 1
check "monitor: the region of the other" hears_of_region
check "merge" run 0 merge

check "guests: both" prints "^ *${pids[0]} holder" guests
check "guests: the other, too" grep -qE "^ *${pids[1]} holder" "$tmp/out"
check "guests: one by its process" prints "^process +${pids[0]} \(holder\)" \
	guests "${pids[0]}"
id=$(sed -n 's/^guest  *//p' "$tmp/out")
check "guests: one by its id" prints "^guest +$id$" guests "$id"
check "guests: JSON" prints "\"pid\":${pids[1]},\"comm\":\"holder\"" --json guests
check "guests: what is merged was counted" wait_for 300 merged_is_told
check "guests: no such" refuses 'no guest with' guests 4194304

check "regions" prints "^ *[0-9]+ +${pids[0]} [0-9a-f]+-[0-9a-f]+ " regions
check "regions of a guest" prints "\"pid\":${pids[1]}," --json regions \
	--guest "${pids[1]}"
check "regions of a guest: no others" eval "! grep -q '\"pid\":${pids[0]},' '$tmp/out'"

check "why: a guest" prints "^holder \\(guest $id, process ${pids[0]}\\)" why "${pids[0]}"
check "top" prints "^ *${pids[0]} holder" top --batch 2 --interval 0.1
check "top: saved something" saved_is_told
check "status: by netlink and by sysfs the same" \
	eval 'run 0 --json status && same_as_sysfs'
check "monitor: statistics" prints '^\{"stats":\{"full_scans":' \
	--json monitor --stats --count 1 --timeout 50
check "metrics" prints "^vmdedup_guest_merged\{guest=\"[0-9]+\",pid=\"${pids[0]}\",name=\"holder\"\} [1-9]" metrics
check "metrics: to a file" run 0 metrics --output "$tmp/vmdedup.prom"
check "metrics: the file is whole" \
	grep -qE '^vmdedup_guest_scan_seconds_total\{' "$tmp/vmdedup.prom"

check "exclude" prints 'not discovered any more' exclude "${pids[0]}"
check "exclude: seen" prints '"excluded":1' --json guests "${pids[0]}"
check "include" prints 'discovered again' include "${pids[0]}"
check "include: seen" prints '"excluded":0' --json guests "${pids[0]}"
check "exclude: no such process" refuses 'vmdedup: exclude: .*pid' exclude 4194304

for args in guests regions "why ${pids[0]}" "top --batch 1" monitor \
	    "exclude ${pids[0]}"; do
	# shellcheck disable=SC2086 # several words
	check "for root only: ${args%% *}" is_refused_to_nobody $args
done
check "for everybody: statistics" tells_nobody monitor --stats --count 1 --timeout 50

kill -TERM "${pids[@]}"
for pid in "${pids[@]}"; do
	wait "$pid" || failed=$((failed + 1))
done
pids=()
check "without the module: unload" rmmod vmdedup
check "without the module: what to do" refuses 'not loaded: modprobe vmdedup' guests
check "without the module: load again" load "$module"

echo "1..$count"
[ "$failed" -eq 0 ]
