#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Live migration of a merged guest, from one QEMU to another, while the scanner
# runs at full speed and merges in both: KVM logs what the guest writes, and each
# page that it writes to was write-protected for two reasons. The guest checks
# its memory all the time, on both sides. Run it in the lab, as root. TAP.
#
#   migrate.sh MODULE
#
# No timing is tested; the limits are for what hangs.
set -u

if [ $# -ne 1 ] || [ -z "${LAB_DIR-}" ]; then
	echo "usage: ${0##*/} MODULE, in the lab" >&2
	exit 2
fi
module=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib.sh
. "$here/lib.sh"

# Pages of the file that both guests have alike (8 MiB).
alike=2048
# Slow enough for the guest to write meanwhile, and as quick as it can be.
slow=$((1 << 20)) quick=$((1 << 30))

verify()
{
	is ok "$guest" cmd "$1" verify
}

start()
{
	GUEST_ARGS="guestload.shared=8 guestload.own=4 guestload.zero=4" \
		"$guest" start "$1" 6.12 96
}

# bandwidth NAME BYTES: a second. Of the downtime nothing is asked.
bandwidth()
{
	"$guest" qmp "$1" migrate-set-parameters \
		"{\"max-bandwidth\": $2, \"downtime-limit\": 20000}" >/dev/null
}

migration_is()
{
	[[ $("$guest" qmp "$1" query-migrate) == *"\"status\": \"$2\""* ]]
}

migration_ends()
{
	wait_until 200 migration_is "$1" "$2" && return 0
	"$guest" qmp "$1" query-migrate
	return 1
}

# flat_out: as loop_start, but no time is left to anybody.
flat_out()
{
	loop_start
	set_tunable scan_rate 1000000000
}

register_and_merge()
{
	register "$@" && "$vmdedup" merge
}

# migrate FROM TO: slowly at first.
migrate()
{
	bandwidth "$1" $slow && "$guest" migrate "$1" "$2" &&
		wait_until 60 migration_is "$1" active
}

# While what FROM writes is logged, and TO's memory fills.
test_logging()
{
	local from=$1 to=$2

	check "$from starts to migrate to $to" migrate "$from" "$to"
	check "$to is registered, too" register "$to"
	check "$from rewrites merged memory" is ok "$guest" cmd "$from" rewrite 40
	check "it still migrates" migration_is "$from" active
	check "$from is whole while it migrates" verify "$from"
	check "twin is whole" verify twin
}

test_cancel()
{
	phase "a migration that is given up"
	flat_out
	test_logging here never
	check "it is cancelled" "$guest" qmp here migrate_cancel
	check "it ends" migration_ends here cancelled
	"$guest" forget never
	check "here rewrites without a log" is ok "$guest" cmd here rewrite 20
	check "here is whole" verify here
	check "twin is whole" verify twin
	check "merging never failed" loop_stop
	check "the module counts what the oracle sees" agree cancelled here twin
	check "nearly all of what can be saved" well_merged cancelled
}

# test_migrate FROM TO
test_migrate()
{
	local from=$1 to=$2 pid

	phase "from $from to $to"
	pid=$(pid_of "$from")
	flat_out
	test_logging "$from" "$to"
	check "as quick as it can be" bandwidth "$from" $quick
	check "it is complete" migration_ends "$from" completed
	check "$to is whole" verify "$to"
	check "$from is not needed any more" "$guest" kill "$from"
	check "its regions go with it" wait_until 60 is 0 regions_of "$pid"
	check "$to rewrites merged memory" is ok "$guest" cmd "$to" rewrite 20
	check "twin is whole" verify twin
	check "merging never failed" loop_stop
	check "$to is whole" verify "$to"
	check "the module counts what the oracle sees" agree "$to" "$to" twin
	check "nearly all of what can be saved" well_merged "$to"
	check "no complaint of the kernel" kernel_whole
}

# As in run.sh.
mapped_slack=256 unexplained_slack=512

test_end()
{
	phase "the end"
	check "nothing was corrupt in all of this" is 0 "$guest" corrupt-count
	check "guests stop" "$guest" stop-all
	check "their regions go with them" wait_until 60 is 0 counter regions
	check "all frames are freed" wait_until 60 is 0 counter pages_shared
	check "the module is unloaded" rmmod vmdedup
	check "nothing is left of it" module_gone
	check "nr_mapped is back" near nr_mapped "$base_mapped" \
		"$(settled vmstat nr_mapped)" $mapped_slack
	check "all memory is accounted for" near unexplained "$base" \
		"$(lost)" $unexplained_slack
	check "no complaint of the kernel" kernel_whole
}

echo "TAP version 13"
if [ -e /sys/module/vmdedup ]; then
	echo "Bail out! vmdedup is loaded"
	exit 1
fi
trap cleanup EXIT
khugepaged $khugepaged_asleep

# The first guest fills caches: not to be mistaken for leaks.
"$guest" start warm 6.12 64 && "$guest" kill warm
"$guest" stop-all
need "the module is loaded" load "$module"
rmmod vmdedup
base=$(lost) base_mapped=$(settled vmstat nr_mapped)
load "$module"

phase "starting guests"
start here &
start twin &
wait
need "here is ready" "$guest" wait-ready here
need "twin is ready" "$guest" wait-ready twin
need "both are registered and merged" register_and_merge here twin
look merged "$(pid_of here)" "$(pid_of twin)"
check "nearly all of what can be saved is" well_merged merged $alike

test_cancel
test_migrate here there
test_migrate there back
test_end
echo "1..$count"
[ "$failed" = 0 ]
