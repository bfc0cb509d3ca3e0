#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The part of soak.sh that runs in the lab: guests and processes with a mixed
# load, while registrations, tunables and the host change at random. TAP.
#
#   inside.sh DIR MODULES SECONDS SEED GUESTS
#
# DIR has the built programs of selftests/engine, MODULES the two modules. The
# same SEED makes the same choices; when they hit is another matter. Without
# guests the module itself goes and comes back, too, and so does a processor.
set -u

if [ $# -ne 5 ] || [ -z "${LAB_DIR-}" ]; then
	echo "usage: ${0##*/} DIR MODULES SECONDS SEED GUESTS, in the lab" >&2
	exit 2
fi
dir=$1 modules=$2 seconds=$3 seed=$4 guests=$5
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../kvm/lib.sh
. "$here/../kvm/lib.sh"
vmdedup=${VMDEDUP:-$vmdedup}

soakers=3
pids=()		# of the soakers
names=()	# of the guests
declare -A tunable_was
ksm=/sys/kernel/mm/ksm
cpu1=/sys/devices/system/cpu/cpu1/online
for ((i = 0; i < guests; i++)); do
	names+=("g$i")
done

# The one source of chance here: rnd N sets $r to one of 0 .. N-1.
RANDOM=$seed
rnd()
{
	r=$(((RANDOM << 15 | RANDOM) % $1))
}

# pick WORD...: one of them, in $picked.
pick()
{
	rnd $#
	shift "$r"
	picked=$1
}

# --- What changes ---

tunables_read()
{
	local f

	for f in "$sysfs"/*; do
		# Root may write everything: go by the mode.
		case ${f##*/}/$(stat -c %a "$f") in
		uevent/*)	;;
		*/6??)		tunable_was[${f##*/}]=$(<"$f") ;;
		esac
	done
	mapfile -t tunables < <(printf '%s\n' "${!tunable_was[@]}" | sort)
}

# Some are lists with the one that counts in brackets.
tunables_reset()
{
	local name value

	for name in "${tunables[@]}"; do
		value=${tunable_was[$name]}
		case $value in
		*\[*\]*)	value=${value#*[} value=${value%%]*} ;;
		esac
		set_tunable "$name" "$value"
	done
}

# value_for NAME: sets $picked. The scanner is mostly on, and mostly quick.
value_for()
{
	case $1 in
	run)		pick 1 1 1 1 1 1 0 2 ;;
	scan_rate)	pick 0 1000 100000 1000000000 1000000000 ;;
	cpu_limit)	pick 0 0 1 50 100 400 ;;
	threads)	pick 0 1 2 3 4 ;;
	domain_policy)	pick uid uid host cgroup process ;;
	huge_split_pages | merge_run_pages)
			pick 1 2 64 128 512 ;;
	target_pass_secs) pick 1 2 5 60 ;;
	stats_interval_ms) pick 1 100 1000 100000 ;;
	discover)	pick 0 1 1 ;;
	*)		pick 0 1 1 2 5 10 50 ;;
	esac
}

# A value may be refused; what is refused changes nothing.
change_tunable()
{
	local name was

	pick "${tunables[@]}"
	name=$picked
	value_for "$name"
	was=$(<"$sysfs/$name")
	if ! set_tunable "$name" "$picked" 2>/dev/null; then
		refused=$((refused + 1))
		is "$was" cat "$sysfs/$name" || fail "$name was refused, but changed"
	fi
}

# Regions of any process go, and may be registered anew by what lives in it.
change_registrations()
{
	local pid

	rnd ${#pids[@]}
	pid=${pids[r]}
	pick register register unregister unmerge merge all
	case $picked in
	register)	"$vmdedup" register "$pid" ;;
	unregister)	"$vmdedup" unregister --pid "$pid" ;;
	unmerge)	"$vmdedup" unregister --unmerge --pid "$pid" ;;
	merge)		"$vmdedup" merge --rounds 2 ;;
	all)		"$vmdedup" status --count && "$vmdedup" regions ;;
	esac >/dev/null 2>"$tmp/refused" || refused=$((refused + 1))
}

# A processor that goes would take the emulated guests along.
change_host()
{
	pick compact khugepaged ksm cpu drop
	case $picked in
	compact)	echo 1 >/proc/sys/vm/compact_memory ;;
	khugepaged)	pick 10 1000 600000
			# See lab/inside.sh.
			[[ $LAB_KERNEL == *-debug ]] || khugepaged "$picked" ;;
	ksm)		[ ! -e $ksm/run ] || { pick 0 1 1 2; echo "$picked" >$ksm/run; } ;;
	cpu)		[ "$guests" -gt 0 ] || [ ! -e $cpu1 ] ||
				{ pick 0 1; echo "$picked" >$cpu1; } ;;
	drop)		echo 3 >/proc/sys/vm/drop_caches ;;
	esac
}

# It is refused while somebody has the device open, as is mostly so.
reload()
{
	local i

	for ((i = 0; i < 40; i++)); do
		if rmmod vmdedup 2>/dev/null; then
			reloads=$((reloads + 1))
			load_all || fail "the module does not come back"
			return
		fi
		nap 0.02
	done
}

change_guest()
{
	local name

	pick "${names[@]}"
	name=$picked
	pick rewrite write verify status balloon
	case $picked in
	rewrite | write) rnd 40
			is ok "$guest" cmd "$name" "$picked" $((r + 1)) ;;
	verify)		is ok "$guest" cmd "$name" verify ;;
	balloon)	rnd 12	# More, and the guest would run out of memory.
			"$guest" qmp "$name" balloon \
				"{\"value\": $(((96 - r) << 20))}" >/dev/null ;;
	*)		"$guest" cmd "$name" status >/dev/null ;;
	esac || fail "guest $name: $picked"
}

# Next to all the rest: a guest takes its time for what it is asked.
guests_loop()
{
	RANDOM=$((seed + 1))
	while [ ! -e "$tmp/stop" ]; do
		change_guest >>"$tmp/failures"
		nap 1
	done
}

fail()
{
	echo "$*" >>"$tmp/failures"
}

# --- Processes ---

# of SOAKER FIELD: from the line that it keeps up to date.
of()
{
	local line

	read -r line 2>/dev/null <"$tmp/soaker$1" || return
	line=${line##*"$2 "}
	echo "${line%% *}"
}

soaker_start()
{
	"$dir/soaker" "$tmp/soaker$1" $((seed + 100 * $1)) 2>>"$tmp/failures" &
	pids[$1]=$!
}

soakers_start()
{
	local i

	for ((i = 0; i < soakers; i++)); do
		soaker_start $i
	done
	for ((i = 0; i < soakers; i++)); do
		wait_until 120 did_more $i 0 || return 1
	done
}

did_more()
{
	[ "$(of "$1" ops)" -gt "$2" ] 2>/dev/null
}

alive()
{
	local i

	for ((i = 0; i < soakers; i++)); do
		if ! kill -0 "${pids[i]}" 2>/dev/null || [ "$(of $i wrong)" != 0 ] ||
		   [ "$(of $i errors)" != 0 ]; then
			fail "soaker $i: $(<"$tmp/soaker$i")"
		fi
	done
}

tell()
{
	local i text="# $SECONDS s: $changes changes, $refused refused, $reloads reloads;"

	text+=" merged $(counter pages_merged), zero $(counter pages_zero_merged),"
	text+=" shared $(counter pages_shared), broken $(counter cow_breaks);"
	for ((i = 0; i < soakers; i++)); do
		text+=" ops $(of $i ops)"
	done
	echo "$text"
}

# --- The test ---

changes=0 refused=0 reloads=0
soak()
{
	local -i end=$((SECONDS + seconds)) next=$SECONDS

	while [ $SECONDS -lt $end ] && [ ! -s "$tmp/failures" ]; do
		if [ $SECONDS -ge $next ]; then
			tell >&3
			kernel_whole || return 1
			# Where this takes long nothing else would be done.
			next=$((SECONDS + 20 * patience))
		fi
		rnd 20
		case $r in
		0 | 1 | 2 | 3)	change_registrations ;;
		4 | 5)		change_host ;;
		6)		[ "$guests" -gt 0 ] || reload ;;
		*)		change_tunable ;;
		esac
		changes=$((changes + 1))
		alive
		rnd 500
		nap "0.$(printf %03d "$r")"
	done
	cat "$tmp/failures"
	[ ! -s "$tmp/failures" ]
}

# Process ids of all virtual machines.
machines()
{
	local dir

	for dir in /proc/[0-9]*; do
		[ "$(<"$dir/comm")" != qemu-system-x86 ] || echo "${dir#/proc/}"
	done 2>/dev/null
}

calm()
{
	local pid

	: >"$tmp/stop"
	[ -z "$guests_pid" ] || wait "$guests_pid"
	[ ! -e $cpu1 ] || [ "$(<$cpu1)" = 1 ] || echo 1 >$cpu1
	[ ! -e $ksm/run ] || { echo 2 >$ksm/run; echo 0 >$ksm/run; }
	khugepaged $khugepaged_asleep
	tunables_reset
	set_tunable run 0
	set_tunable discover 0
	set_tunable huge_split_pages 1
	[ ! -e /sys/module/vmdedup_kvm ] || rmmod vmdedup_kvm
	# Of whole processes, too: what is counted in the end is what they tell of.
	"$vmdedup" unregister --all >/dev/null || return 1
	# More was merged than what they register themselves, of the soakers, or what is
	# registered by hand of guests: the firmware of every virtual machine, too, also
	# of the one that never starts (guest.sh). It would be counted by nobody.
	for pid in "${pids[@]}" $(machines); do
		"$vmdedup" register "$pid" --min-size 4K >/dev/null || return 1
	done
	"$vmdedup" unregister --all --unmerge >/dev/null || return 1
	[ ! -s "$tmp/failures" ]
}

soakers_quiet()
{
	local i

	kill -USR1 "${pids[@]}"
	for ((i = 0; i < soakers; i++)); do
		wait_until 120 quiet $i || return 1
	done
	[ ${#names[@]} -eq 0 ] || register "${names[@]}"
}

quiet()
{
	[ "$(of "$1" quiet)" = 1 ]
}

# As agree() does it, with the soakers as well.
books_of_module()
{
	local ok=0

	"$vmdedup" merge >/dev/null || return 1
	frozen=("${pids[@]}")
	kill -STOP "${pids[@]}"
	freeze "${names[@]}" && measure end || ok=1
	thaw
	[ $ok = 0 ] && compare_all end &&
		compare "$(seen end saved)" -gt $((soakers * 256)) "much is saved"
}

soakers_stop()
{
	local i pid ok=0

	kill -TERM "${pids[@]}"
	for i in "${!pids[@]}"; do
		pid=${pids[i]}
		wait "$pid" || ok=1
		echo "soaker $i: $(<"$tmp/soaker$i")"
	done
	pids=()
	cat "$tmp/failures"
	return $ok
}

guests_start()
{
	local name

	for name in "${names[@]}"; do
		GUEST_ARGS="guestload.shared=8 guestload.own=4 guestload.zero=4" \
			"$guest" start "$name" 6.12 96 &
	done
	wait
	for name in "${names[@]}"; do
		"$guest" wait-ready "$name" || return 1
	done
}

guests_whole()
{
	local name

	for name in "${names[@]}"; do
		is ok "$guest" cmd "$name" verify || return 1
	done
	is 0 "$guest" corrupt-count
}

load_all()
{
	insmod "$modules/vmdedup.ko" && wait_until 20 test -c /dev/vmdedup || return 1
	[ "$guests" = 0 ] || insmod "$modules/vmdedup_kvm.ko"
}

# To have something to swap to, where there is zram.
swap_on()
{
	local n

	modprobe zram num_devices=1 2>/dev/null || return 0
	n=$(cat /sys/class/zram-control/hot_add) || return 0
	echo 64M >"/sys/block/zram$n/disksize"
	zram=/dev/zram$n
	wait_until 5 test -b "$zram" && mkswap "$zram" >/dev/null && swapon "$zram"
}

swap_off()
{
	[ -z "$zram" ] || swapoff "$zram"
	[ -z "$zram" ] || echo 1 >"/sys/block/${zram##*/}/reset"
}

# One soaker, for a moment: code, caches and per-CPU memory that are only ever
# used once do not count as leaks.
warm_up()
{
	load_all && soaker_start 0 && wait_until 120 did_more 0 20 || return 1
	"$vmdedup" merge >/dev/null
	kill -TERM "${pids[0]}"
	wait "${pids[0]}"
	pids=()
	if [ "$guests" -gt 0 ]; then
		"$guest" start warm 6.12 64 && "$guest" forget warm
		"$guest" stop-all
		rmmod vmdedup_kvm
	fi
	rmmod vmdedup
}

nothing_lost()
{
	local leaks=/sys/kernel/debug/kmemleak found

	[ -e $leaks ] || return 0
	# As in selftests/engine/kmemleak.sh.
	nap 6
	echo scan >$leaks
	nap 6
	echo scan >$leaks
	found=$(<$leaks)
	! grep -q vmdedup <<<"$found" && return 0
	head -n 60 <<<"$found"
	return 1
}

# As in selftests/kvm/run.sh.
mapped_slack=256 unexplained_slack=512

soak_cleanup()
{
	[ ${#pids[@]} -eq 0 ] || kill -KILL "${pids[@]}" 2>/dev/null
	: >"$tmp/stop"
	[ -z "$zram" ] || swapoff "$zram" 2>/dev/null
	[ ! -e /sys/module/vmdedup_kvm ] || rmmod vmdedup_kvm
	cleanup
}

exec 3>&1
zram='' guests_pid=''
echo "TAP version 13"
echo "# seed $seed, $seconds s, $soakers processes, $guests guests"
if [ -e /sys/module/vmdedup ]; then
	echo "Bail out! vmdedup is loaded"
	exit 1
fi
trap soak_cleanup EXIT
: >"$tmp/failures"
need "something to swap to, if there can be" swap_on
need "a first round" warm_up
settle
base=$(settled unexplained) base_mapped=$(settled vmstat nr_mapped)
need "the module is loaded" load_all
tunables_read
echo "# tunables: ${tunables[*]}"
if [ "$guests" -gt 0 ]; then
	need "guests start" guests_start
fi
need "processes start" soakers_start
if [ "$guests" -gt 0 ]; then
	guests_loop &
	guests_pid=$!
fi
check "$seconds seconds without a mismatch" soak
tell
check "all comes to rest" calm
check "processes are quiet" soakers_quiet
[ -z "$zram" ] || check "all that is swapped comes back" swap_off
check "the module counts what the oracle sees" books_of_module
check "processes end, and all was right" soakers_stop
if [ "$guests" -gt 0 ]; then
	check "guests are whole" guests_whole
	check "guests stop" "$guest" stop-all
fi
check "regions go with them" wait_until 60 is 0 counter regions
check "frames are freed" wait_until 60 is 0 counter pages_shared
check "the module is unloaded" rmmod vmdedup
check "nothing is left of it" module_gone
settle
check "nr_mapped is back" near nr_mapped "$base_mapped" \
	"$(settled vmstat nr_mapped)" $mapped_slack
check "all memory is accounted for" near unexplained "$base" \
	"$(settled unexplained)" $unexplained_slack
check "nothing of vmdedup is lost" nothing_lost
check "no complaint of the kernel" kernel_whole
echo "1..$count"
[ "$failed" = 0 ]
