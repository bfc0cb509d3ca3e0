# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the tests of run.sh are made of: TAP, measuring, merging in a loop.
#
# shellcheck disable=SC2034 # run.sh uses more than is used here

# shellcheck source=../lab/books.sh
. "$LAB_DIR/books.sh"
# shellcheck source=../lab/regions.sh
. "$LAB_DIR/regions.sh"

guest=$LAB_DIR/guest/guest.sh
oracle=$LAB_BIN/oracle
vmdedup=${LAB_BIN%/*}/userspace/vmdedup/vmdedup
sysfs=/sys/class/misc/vmdedup

tmp=$(mktemp -d)
count=0 failed=0
loop_pid=''
frozen=()

# Sleep without starting a process, which takes long under emulation.
exec {never}<> <(:)
nap()
{
	read -rt "$1" -u "$never" || :
}

# check NAME COMMAND...: one test; what the command says explains it. Runs it in
# this shell, so it may set variables.
check()
{
	local name=$1 line status=0

	shift
	"$@" >"$tmp/said" 2>&1 || status=$?
	count=$((count + 1))
	if [ $status = 0 ]; then
		echo "ok $count - $name"
	else
		echo "not ok $count - $name"
		failed=$((failed + 1))
	fi
	while IFS= read -r line; do
		echo "# $line"
	done <"$tmp/said"
	return $status
}

# Without this the rest would only fail, too.
need()
{
	check "$@" || {
		echo "Bail out! $1"
		exit 1
	}
}

phase()
{
	echo "# $SECONDS s: $*"
}

# is WANT COMMAND...: the command prints that.
is()
{
	local want=$1 have

	shift
	have=$("$@")
	[ "$have" = "$want" ] || {
		echo "'$have', must be '$want'"
		return 1
	}
}

# compare A OP B TEXT: of numbers; tells them if it does not hold.
compare()
{
	[ -n "$1" ] && [ -n "$3" ] && test "$1" "$2" "$3" && return 0
	echo "not: $4 ($1 $2 $3)"
	return 1
}

# All limits are for what hangs; on a kernel that is slow they are so many times as long.
patience=${VMDEDUP_PATIENCE:-1}

# wait_until SECONDS COMMAND...
wait_until()
{
	local -i end=$((SECONDS + $1 * patience))

	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		nap 0.3
	done
}

# --- The module ---

# load MODULE
load()
{
	insmod "$1" && wait_until 20 test -c /dev/vmdedup &&
		set_tunable run 0 && set_tunable huge_split_pages 1
}

set_tunable()
{
	echo "$2" >"$sysfs/$1"
}

counter()
{
	echo "$(<"$sysfs/stats/$1")"
}

# Nothing of the module is left. Of /sys/kernel/slab only directories: SLUB keeps
# the link of a cache that it had merged with another one.
module_gone()
{
	local left

	left=$(grep -a vmdedup /proc/slabinfo /proc/modules /proc/misc
	       find /sys/kernel/slab -maxdepth 1 -type d -name '*vmdedup*')
	[ -z "$left" ] && [ ! -e /dev/vmdedup ] && [ ! -e $sysfs ] && return 0
	echo "left: $left"
	return 1
}

pid_of()
{
	"$guest" pid "$1"
}

# register NAME...
register()
{
	local name ok=0

	for name; do
		"$vmdedup" register "$(pid_of "$name")" >"$tmp/out" || {
			cat "$tmp/out"
			ok=1
		}
	done
	return $ok
}

# status [OPTION]...: into $tmp/status, one value a line.
status()
{
	"$vmdedup" --pretty status "$@" >"$tmp/status"
}

# sum KEY [PID]: of the regions in $tmp/status, all or those of a process.
sum()
{
	awk -v key="\"$1\":" -v want="${2-}" '
		{ sub(/,$/, "") }
		$1 == "\"pid\":" { pid = $2 }
		$1 == key && (want == "" || pid == want) { n += $2 }
		END { printf "%d\n", n }' "$tmp/status"
}

# ranges [PID]: of the regions in $tmp/status, as the oracle wants them.
ranges()
{
	ranges_of "$@" <"$tmp/status"
}

regions_of()
{
	status && ranges "$1" | wc -l
}

# --- Merging all the time, by the scanner and on request at once ---

# It leaves some time to the guests, or these would take minutes to boot. Only
# the loop itself ends its calls, so that none is cut off.
loop_start()
{
	rm -f "$tmp/loop-stop" "$tmp/loop-failed"
	set_tunable scan_rate 40000
	set_tunable run 1
	while [ ! -e "$tmp/loop-stop" ]; do
		"$vmdedup" merge --rounds 1 >/dev/null 2>"$tmp/loop-said" ||
			cat "$tmp/loop-said" >>"$tmp/loop-failed"
		echo >>"$tmp/loop-calls"
		nap 0.5
	done &
	loop_pid=$!
}

loop_stop()
{
	[ -n "$loop_pid" ] || return 0
	: >"$tmp/loop-stop"
	wait "$loop_pid"
	loop_pid=''
	[ ! -e $sysfs ] || set_tunable run 0
	echo "merged $(wc -l <"$tmp/loop-calls") times by now," \
		"$(counter full_scans) full scans"
	[ ! -e "$tmp/loop-failed" ] || {
		cat "$tmp/loop-failed"
		return 1
	}
}

# khugepaged MILLISECONDS: how often it makes pages into huge ones. It stays asleep where
# it asserts: see lab/noassert.config.
khugepaged()
{
	[ "$1" = $khugepaged_asleep ] || [[ $(uname -r) != *-debug ]] || return 0
	echo "$1" >/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs
}

khugepaged_busy=1000 khugepaged_asleep=600000

# --- Stopping guests ---

stopped()
{
	local file line

	for file in "/proc/$1/task/"*/stat; do
		read -r line <"$file" 2>/dev/null || continue
		[[ ${line##*) } == [tTZX]* ]] || return 1
	done
}

# freeze NAME...: nothing changes their memory any more but the kernel.
freeze()
{
	local name pid

	for name; do
		pid=$(pid_of "$name") || return 1
		frozen+=("$pid")
		kill -STOP "$pid"
	done
	for pid in "${frozen[@]}"; do
		wait_until 60 stopped "$pid" || return 1
	done
}

thaw()
{
	[ ${#frozen[@]} -eq 0 ] || kill -CONT "${frozen[@]}" 2>/dev/null
	frozen=()
}

# --- Why a guest was reset ---

# What KVM does, until a processor shuts down because it cannot even tell its guest
# what is wrong: that resets the guest without a word.
tracing=/sys/kernel/tracing

trace_begin()
{
	local event

	[ -d $tracing/events ] || mount -t tracefs tracefs $tracing 2>/dev/null
	[ -d $tracing/events/kvm ] || return 0
	echo 2048 >$tracing/buffer_size_kb
	# SVM's exit code of a shutdown.
	echo 'traceoff if exit_reason == 0x7f' \
		>$tracing/events/kvm/kvm_exit/trigger
	for event in entry exit inj_exception inj_virq page_fault \
		     async_pf_not_present async_pf_ready; do
		echo 1 >$tracing/events/kvm/kvm_$event/enable
	done
}

trace_tell()
{
	[ "$(cat $tracing/tracing_on)" = 0 ] || {
		echo "no processor shut down"
		return 0
	}
	cp $tracing/trace "$LAB_OUT/guests/trace"
	echo "KVM's last events, more of them in guests/trace:"
	tail -n 30 $tracing/trace
}

# --- Measuring ---

# look FILE PID[:RANGE]...: ask the oracle.
look()
{
	local file=$tmp/$1.json

	shift
	"$oracle" --json "$@" >"$file"
}

# seen FILE KEY: pages, of all processes together.
seen()
{
	sed -n "/\"processes\"/q; s/^ *\"$2_pages\": *\\(-\\?[0-9]*\\).*/\\1/p
		s/^ *\"$2\": *\\([0-9]*\\),\\?\$/\\1/p" "$tmp/$1.json"
}

tell_seen()
{
	local key text=''

	for key in resident zero possible saved; do
		text+=" $key $(seen "$1" $key)"
	done
	echo "oracle, pages:$text"
}

# well_merged FILE [PAGES]: at least 90 % of what is possible, and so many.
well_merged()
{
	local saved possible

	saved=$(seen "$1" saved) possible=$(seen "$1" possible)
	echo "saved $saved of $possible, $((saved * 1000 / possible)) per mille"
	compare $((saved * 10)) -ge $((possible * 9)) "90 % is saved" &&
		compare "$saved" -ge "${2:-1}" "as much is saved as before"
}

# agree FILE NAME...: stop these guests, the only ones that are registered,
# merge, and count by all means there are. What the module says must be what
# the oracle sees.
#
# All of that is exact, as nothing runs that could change the memory: guests and
# scanner are stopped, khugepaged sleeps. The oracle is asked for the registered
# ranges only, as it would count zero pages in QEMU's small mappings, too.
#
#   resident   pages present, in both
#   saved      resident - frames, says the oracle. A frame with n mappings
#              saves n - 1 (pages_sharing), a mapping of the zero page 1. True
#              if no other process and no frame of an earlier load has a part
#              in it.
#   merged     mappings of frames: the first of each and those beyond
#   zero       the oracle looks at the content, the module at the mapping, so
#              it has at the most as many
#
# Only the bytes saved in a region are rounded: PAGE/n is rounded down for each
# merged page, so their sum is too large by less than a byte each.
agree()
{
	local file=$1 ok=0

	shift
	freeze "$@" && measure "$file" || ok=1
	thaw
	[ $ok = 0 ] && compare_all "$file"
}

measure()
{
	local where

	"$vmdedup" merge >/dev/null && status --count || return 1
	mapfile -t where < <(ranges)
	look "$1" "${where[@]}" || return 1
	sharing=$(counter pages_sharing) shared=$(counter pages_shared)
	zero=$(counter pages_zero) saved_bytes=$(counter saved_bytes)
}

compare_all()
{
	local resident saved merged ok=0 regions_saved
	local -i more

	saved=$(seen "$1" saved) merged=$(sum merged) resident=$(sum resident)
	regions_saved=$(sum saved)
	tell_seen "$1"
	echo "regions: resident $resident merged $merged zero $(sum zero)" \
		"saved $regions_saved bytes"
	echo "module: shared $shared sharing $sharing zero $zero"
	compare "$(seen "$1" unreadable)" -eq 0 "all can be read" || ok=1
	compare "$resident" -eq "$(seen "$1" resident)" "resident" || ok=1
	compare $((sharing + zero)) -eq "$saved" "sharing + zero = saved" || ok=1
	compare $((shared + sharing)) -eq "$merged" "shared + sharing = merged" || ok=1
	compare "$zero" -eq "$(sum zero)" "zero = zero in regions" || ok=1
	compare "$zero" -le "$(seen "$1" zero)" "zero pages hold zeroes" || ok=1
	compare "$saved_bytes" -eq $((saved * 4096)) "saved_bytes" || ok=1
	more=$((regions_saved - saved * 4096))
	compare $more -ge 0 "regions saved at least that" || ok=1
	compare $more -lt $((merged > 0 ? merged : 1)) "and no more" || ok=1
	return $ok
}

# file_pages PID: pages of files that only this process has mapped.
file_pages()
{
	awk '/^[0-9a-f]+-/ { file = $5 != 0 }
	     file && $1 == "Private_Clean:" { n += $2 }
	     END { print n / 4 }' "/proc/$1/smaps"
}

# lost: as unexplained, without what the kernel keeps until memory is short: the
# huge zero page above all, which comes with the first look at memory that has not
# been written to, as by a QEMU to which a guest migrates.
lost()
{
	settle
	settled unexplained
}

# near WHAT WAS IS SLACK
near()
{
	echo "$1: $2 before, $3 after"
	[ $(($3 - $2)) -le "$4" ] && [ $(($2 - $3)) -le "$4" ]
}

kernel_whole()
{
	"$LAB_DIR/splats.sh" "$LAB_OUT/klog"
}

cleanup()
{
	[ -z "$loop_pid" ] || loop_stop >/dev/null
	thaw
	"$guest" stop-all >/dev/null 2>&1
	[ ! -e /sys/module/vmdedup ] || rmmod vmdedup
	rm -rf "$tmp"
}
