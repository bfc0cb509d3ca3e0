#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The module under real KVM guests, which check their memory all the time: they
# rewrite what is merged, reboot, balloon and get killed; the module goes and
# comes back under them; guests whose memory cannot be merged are refused. Run
# it in the lab, as root. TAP.
#
#   run.sh MODULE
#
# Two guests go through all of it, one with a kernel of each sort. No timing is
# tested; the limits are for what hangs. $LAB_OUT/guests/ gets their consoles, and
# what their processors were at when they were reset.
set -u

if [ $# -ne 1 ] || [ -z "${LAB_DIR-}" ]; then
	echo "usage: ${0##*/} MODULE, in the lab" >&2
	exit 2
fi
module=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib.sh
. "$here/lib.sh"

# Pages of the file that all guests have alike (16 MiB), unless rewritten.
alike=4096

verify()
{
	is ok "$guest" cmd "$1" verify
}

# No guest came up more often than it was asked to: one that breaks resets itself,
# and finds all of its new data whole.
boots=1

none_restarted()
{
	local name have ok=0

	for name; do
		have=$("$guest" console "$name" | grep -ac "^guest $name ready")
		echo "$name: $have boots"
		compare "$have" -eq $boots "boots as asked for" || ok=1
	done
	[ $ok = 0 ] || trace_tell
	return $ok
}

# unharmed GUEST...: nothing broke, in the host or in a guest.
unharmed()
{
	check "no complaint of the kernel" kernel_whole
	check "no guest restarted by itself" none_restarted "$@"
}

# --- Guests start ---

# start NAME KERNEL: with the state of its processor at each reset on record, and
# with less of its own, which leaves more for the balloon.
start()
{
	mkdir -p "$LAB_OUT/guests"
	GUEST_ARGS=guestload.own=8 "$guest" start "$1" "$2" 128 \
		-d cpu_reset -D "$LAB_OUT/guests/$1.resets"
}

start_guests()
{
	start old 6.1 &
	start new 6.12 &
	wait
	"$guest" pid old && "$guest" pid new
}

register_and_merge()
{
	register old new && "$vmdedup" merge
}

test_merge()
{
	phase "merging"
	look before "$old" "$new"
	need "guests are registered and merged while they run" register_and_merge
	look after "$old" "$new"
	check "the oracle sees that memory is saved" more_saved before after
	check "nearly all of what can be saved" well_merged after "$alike"
	check "the module counts what the oracle sees" agree merged old new
	check "old is whole" verify old
	check "new is whole" verify new
}

more_saved()
{
	tell_seen "$1"
	tell_seen "$2"
	compare "$(seen "$2" saved)" -gt "$(seen "$1" saved)" "more is saved"
}

# Half of the pages alike are about to be only the other guest's. A quarter has
# to show, since which pages are rewritten is left to chance.
test_rewrite()
{
	phase "rewriting"
	check "old rewrites merged memory" is ok "$guest" cmd old rewrite 50
	check "new does not see it" verify new
	look rewritten "$old" "$new"
	check "less is saved" less_saved merged rewritten $((alike / 4))
	# The new content is old's own: there is as much less to be saved.
	check "merging again saves what can be saved, and counts right" \
		agree again old new
	sharing_again=$sharing
	check "nearly all of it" well_merged again
	check "old is whole" verify old
	check "new is whole" verify new
}

less_saved()
{
	tell_seen "$2"
	compare $(($(seen "$1" saved) - $(seen "$2" saved))) -ge "$3" \
		"so much less is saved"
}

# A reboot also makes alike again what was rewritten.
test_reboot()
{
	phase "rebooting while merging, and while huge pages are made again"
	khugepaged $khugepaged_busy
	boots=2
	loop_start
	check "old reboots from within" "$guest" reboot old
	check "new is reset from without" "$guest" reset new
	check "old comes up again" "$guest" wait-ready old
	check "new comes up again" "$guest" wait-ready new
	check "old is whole while it is merged" verify old
	check "new is whole while it is merged" verify new
	check "merging never failed" loop_stop
	khugepaged $khugepaged_asleep
	check "the module counts what the oracle sees" agree reboot old new
	check "nearly all of what can be saved" well_merged reboot "$alike"
	# Half of it; some of what else was saved has gone with the old boot.
	check "what was rewritten is alike and merged again" compare "$sharing" \
		-ge $((sharing_again + alike / 16)) "more pages share"
	check "old is whole" verify old
	check "new is whole" verify new
	unharmed old new
}

# balloon NAME MIB: set it, and wait for the guest to follow.
balloon()
{
	"$guest" qmp "$1" balloon "{\"value\": $(($2 << 20))}" >/dev/null &&
		wait_until 200 balloon_is "$1" $(($2 << 20)) && return 0
	"$guest" qmp "$1" query-balloon
	return 1
}

balloon_is()
{
	[[ $("$guest" qmp "$1" query-balloon) == *"\"actual\": $2}"* ]]
}

# MiB that the balloon takes, and those that must come back of them: the others
# the guest may never have used. khugepaged, were it awake, would fill the holes.
balloon_mib=16 back_mib=4

test_balloon()
{
	phase "ballooning while merging"
	look flat "$old"
	loop_start
	check "a balloon is inflated" balloon old $((128 - balloon_mib))
	look inflated "$old"
	check "its memory is given back" given_back
	check "old is whole" verify old
	check "the balloon is deflated" balloon old 128
	check "old is whole" verify old
	check "old rewrites memory" is ok "$guest" cmd old rewrite 30
	check "merging never failed" loop_stop
	check "new is whole" verify new
	check "the module counts what the oracle sees" agree deflated old new
	unharmed old new
}

given_back()
{
	tell_seen flat
	tell_seen inflated
	compare $(($(seen flat resident) - $(seen inflated resident))) -ge \
		$((back_mib * 256)) "so much is given back"
}

test_unload()
{
	phase "unloading"
	check "the module goes under merged guests" rmmod vmdedup
	check "nothing is left of it" module_gone
	check "old is whole without it" verify old
	check "new is whole without it" verify new
	look without "$old" "$new"
	check "what was merged still is" still_saved
	check "old rewrites merged memory without it" \
		is ok "$guest" cmd old rewrite 30
	check "new does not see it" verify new
	phase "loading again"
	need "the module comes back" load "$module"
	need "guests are registered and merged again" register_and_merge
	check "frames of the last load are known as such" \
		compare "$(counter skip_foreign)" -gt $((alike / 2)) "skip_foreign"
	check "old is whole" verify old
	check "new is whole" verify new
	phase "unmerging"
	check "all get private copies" unmerged
	check "nothing is registered" is 0 counter regions
	check "no shared frame is left" wait_until 60 is 0 counter pages_shared
	check "old is whole with private copies" verify old
	check "new is whole with private copies" verify new
	unharmed old new
}

still_saved()
{
	tell_seen without
	compare "$(seen without saved)" -ge $((alike / 2)) "much is saved"
}

# Of the zero page too, so nothing at all is saved then; the guests are stopped,
# for reading fresh memory would map the zero page again.
unmerged()
{
	local where ok=0

	status --count || return 1
	mapfile -t where < <(ranges)
	freeze old new && "$vmdedup" unregister --unmerge --all &&
		look private "${where[@]}" || ok=1
	thaw
	[ $ok = 0 ] || return 1
	tell_seen private
	compare "$(seen private saved)" -eq 0 "nothing is saved"
}

# refuse NAME TEXT: in no way registered, and the reason is told.
refuse()
{
	local pid status=0

	pid=$(pid_of "$1")
	"$vmdedup" register "$pid" >"$tmp/out" 2>"$tmp/err" || status=$?
	cat "$tmp/err"
	compare $status -eq 2 "exit status" &&
		grep -q "was not registered: .*$2" "$tmp/err" &&
		grep -q "refused: $2" "$tmp/out" &&
		is 0 regions_of "$pid" && is 0 counter regions
}

running()
{
	[[ $("$guest" qmp "$1" query-status) == *'"status": "running"'* ]]
}

start_refused()
{
	local GUEST_ARGS="guestload.shared=1 guestload.own=1 guestload.zero=1"

	export GUEST_ARGS
	GUEST_MEM=memfd "$guest" start memfd 6.12 80 &
	GUEST_MEM=hugetlb "$guest" start huge 6.12 80 &
	wait
	"$guest" pid memfd && "$guest" pid huge
}

# These need not boot.
test_refused()
{
	phase "memory that cannot be merged"
	echo 48 >/proc/sys/vm/nr_hugepages
	check "guests with a memfd and with hugetlb start" start_refused
	check "shared memory is refused, with the reason" \
		refuse memfd "shared memory"
	check "hugetlbfs memory is refused, with the reason" \
		refuse huge "hugetlbfs memory"
	check "the guest with the memfd goes on" running memfd
	check "the guest with hugetlb goes on" running huge
	# With so little memory they may not get far, and nobody minds.
	"$guest" forget memfd
	"$guest" forget huge
	echo 0 >/proc/sys/vm/nr_hugepages
}

# Once new has rewritten all it can, the frames of what is alike still are old's
# alone, and must go with it: half of them, after all the rewriting; a quarter has
# to show.
own_frames=$((alike / 4))

test_kill()
{
	local shared0 mapped0 regions0 freed0 files0 pid=$old

	phase "killing while merging"
	need "guests are registered and merged again" register_and_merge
	check "the module counts what the oracle sees" agree third old new
	check "as much is saved as can be" well_merged third
	check "new rewrites all" is ok "$guest" cmd new rewrite 100
	shared0=$(counter pages_shared)
	freed0=$(counter frames_freed) regions0=$(regions_of "$new")
	mapped0=$(settled vmstat nr_mapped) files0=$(file_pages "$old")
	loop_start
	check "the scanner scans" wait_until 60 scanned "$(counter full_scans)"
	check "old is killed" "$guest" kill old
	check "its regions are gone" wait_until 60 is 0 regions_of "$pid"
	check "those of the other one are not" is "$regions0" regions_of "$new"
	check "new is whole while it is merged" verify new
	check "merging never failed" loop_stop
	check "the frames that only it used are freed" frames_freed
	check "new is whole" verify new
	check "the module counts what the oracle sees" agree killed new
	unharmed old new
}

# scanned PASSES: more by now.
scanned()
{
	[ "$(counter full_scans)" -gt "$1" ]
}

# Each frame in use is one page in nr_mapped, and so is each page of a file: those
# that only the killed QEMU had mapped, its guest's kernel above all, and those of
# what runs at the moment of counting, for which some slack is left.
mapped_slack=256

frames_freed()
{
	local less mapped

	wait_until 60 fewer_frames
	less=$((shared0 - $(counter pages_shared)))
	mapped=$((mapped0 - $(settled vmstat nr_mapped)))
	echo "frames: $shared0 before, $less less; files: $files0 less;" \
		"nr_mapped: $mapped0 before, $mapped less"
	mapped=$((mapped - files0 - less))
	compare $less -ge $own_frames "fewer frames" &&
		compare "$(counter frames_freed)" -ge $((freed0 + less)) "freed" &&
		compare ${mapped#-} -le $mapped_slack "nr_mapped follows"
}

fewer_frames()
{
	[ $((shared0 - $(counter pages_shared))) -ge $own_frames ]
}

# That no guest found anything says something only if they would have.
test_check()
{
	local corrupt0

	phase "the guests' own check"
	check "nothing was corrupt in all of this" is 0 "$guest" corrupt-count
	corrupt0=$("$guest" corrupt-count 2>/dev/null)
	check "a bit is flipped on purpose" is ok "$guest" cmd new corrupt
	check "which the guest sees" is "corrupt 1" "$guest" cmd new verify
	check "and which is counted" corrupt_counted
}

corrupt_counted()
{
	compare "$("$guest" corrupt-count)" -gt "$corrupt0" "corrupt-count"
}

# Lost frames would be thousands. nr_mapped has the text of what runs at the
# moment, of which the shell has used more by the end; the kernel's books of the
# rest vary by themselves, too (deferred frees).
unexplained_slack=512

test_end()
{
	phase "the end"
	check "new stops" "$guest" stop-all
	check "its regions go with it" wait_until 60 is 0 counter regions
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
trace_begin
need "the module is loaded" load "$module"
rmmod vmdedup
base=$(lost) base_mapped=$(settled vmstat nr_mapped)
load "$module"

phase "starting guests"
need "guests start" start_guests
need "old is ready" "$guest" wait-ready old
need "new is ready" "$guest" wait-ready new
old=$(pid_of old) new=$(pid_of new)

test_merge
test_rewrite
test_reboot
test_balloon
test_unload
test_refused
test_kill
test_check
test_end

echo "1..$count"
echo "# took $SECONDS s"
[ "$failed" = 0 ]
