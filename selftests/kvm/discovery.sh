#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Discovery of KVM guests, as root, on the kernel that is running (in the lab).
#
#   discovery.sh DIR MODULES machines|guests
#
# DIR has the built programs of selftests/engine, MODULES the two modules. For
# "machines" no guest is booted: a virtual machine needs no processor to have
# memory. Prints TAP. How long a poll takes is printed, too, and
# asserted nowhere.
set -u

if [ $# -ne 3 ] || [ -z "${LAB_DIR-}" ]; then
	echo "usage: ${0##*/} DIR MODULES machines|guests, in the lab" >&2
	exit 2
fi
dir=$1 modules=$2 what=$3
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib.sh
. "$here/lib.sh"

stats=/sys/module/vmdedup_kvm/parameters
# Pages of the file that all guests have alike (16 MiB).
alike=4096
sleepers=()

stat_of()
{
	echo "$(<"$stats/$1")"
}

# A search that has begun by now ends, and the next one, too.
searched()
{
	local -i want=$(($(stat_of searches) + 2))

	wait_until 120 searches_are $want
}

searches_are()
{
	[ "$(stat_of searches)" -ge "$1" ]
}

stat_is()
{
	[ "$(stat_of "$1")" = "$2" ]
}

load_kvm()
{
	insmod "$modules/vmdedup_kvm.ko"
}

unload_kvm()
{
	rmmod vmdedup_kvm
}

# A program of the harness: its own TAP, numbered anew.
program()
{
	local line name status result='^(ok|not ok) [0-9]+ (- )?(.*)$'

	while IFS= read -r line; do
		if [[ $line =~ $result ]]; then
			count=$((count + 1))
			name=${BASH_REMATCH[3]}
			echo "${BASH_REMATCH[1]} $count - $1: $name"
			[ "${BASH_REMATCH[1]}" = ok ] || failed=$((failed + 1))
		else
			echo "# ${line#\# }"
		fi
	done < <(timeout -k 10 1200 "$dir/$1" 2>&1 </dev/null; echo $? >"$tmp/ended")
	status=$(<"$tmp/ended")
	# 4: nothing that this kernel could do.
	check "$1 ended as it should" test "$status" = 0 -o "$status" = 4
}

# --- Without guests ---

engine_unload_refused()
{
	! rmmod vmdedup 2>"$tmp/said.rmmod" && [ -e /sys/module/vmdedup ]
}

per_poll()
{
	local polls0 ns0 polls ns

	searched
	polls0=$(stat_of polls) ns0=$(stat_of poll_ns)
	searched && searched && searched && searched
	polls=$(($(stat_of polls) - polls0)) ns=$(($(stat_of poll_ns) - ns0))
	[ $polls -gt 0 ] && [ $ns -gt 0 ] || return 1
	echo "$1: $((ns / polls / 1000)) us per poll," \
		"$(stat_of tasks) processes and threads," \
		"longest so far $(($(stat_of poll_max_ns) / 1000)) us"
}

sleepers_start()
{
	local i

	for ((i = ${#sleepers[@]}; i < $1; i++)); do
		sleep 3600 &
		sleepers+=($!)
	done
}

sleepers_stop()
{
	[ ${#sleepers[@]} -eq 0 ] || kill "${sleepers[@]}"
	wait "${sleepers[@]}" 2>/dev/null
	sleepers=()
}

test_cost()
{
	phase "what a poll costs"
	check "polls go on" per_poll "as it is"
	sleepers_start 200
	check "polls go on with 200 processes more" per_poll "200 more"
	sleepers_stop
}

test_loading()
{
	phase "loading"
	check "the engine cannot go while discovery is there" \
		engine_unload_refused
	check "discovery can, and comes back" reload_kvm
	check "its statistics cannot be set when it is loaded" params_refused
}

reload_kvm()
{
	unload_kvm && load_kvm && searched
}

params_refused()
{
	unload_kvm || return 1
	! insmod "$modules/vmdedup_kvm.ko" polls=5 2>"$tmp/said.insmod" ||
		return 1
	load_kvm
}

# KVM itself need not be there. QEMU's keeper and all guests are not, yet.
test_without_kvm()
{
	phase "without KVM"
	if [ ! -e /sys/module/kvm_amd/holders ]; then
		# What the debug kernels need is built in.
		echo "# KVM is no module here, and cannot go"
		return
	fi
	unload_kvm
	check "KVM is unloaded" modprobe -r kvm_amd
	check "discovery is loaded without it" load_kvm
	check "it polls, and finds nothing" finds_nothing
	check "KVM comes" modprobe kvm_amd
	check "/dev/kvm is there" wait_until 20 test -c /dev/kvm
}

finds_nothing()
{
	searched && stat_is vms 0
}

# --- With guests ---

start()
{
	GUEST_ARGS=guestload.own=8 "$guest" start "$1" "$2" 96
}

start_guests()
{
	local each

	for each; do
		start "$each" 6.12 &
	done
	wait
	for each; do
		"$guest" wait-ready "$each" || return 1
	done
}

# The largest region of a process.
big_region()
{
	status
	awk -v want="$(pid_of "$1")" '
		{ sub(/,$/, "") }
		$1 == "\"id\":" || $1 == "\"region_id\":" { id = $2 }
		$1 == "\"pid\":" { pid = $2 }
		$1 == "\"length\":" { length_ = $2 }
		/^ *}/ && pid == want && length_ > most { most = length_; big = id }
		END { print big }' "$tmp/status"
}

verify_all()
{
	local each

	for each; do
		is ok "$guest" cmd "$each" verify || return 1
	done
}

discovered()
{
	local name

	for name; do
		[ "$(regions_of "$(pid_of "$name")")" -gt 0 ] || return 1
	done
}

merges()
{
	[ "$(counter pages_sharing)" -ge "$1" ]
}

test_guests()
{
	local region pid late=(amber birch cedar delta)

	phase "guests, and not one command"
	need "a guest is there before the module" start_guests early
	need "the engine is loaded" load "$modules/vmdedup.ko"
	set_tunable run 1
	need "discovery is loaded" load_kvm
	check "the early guest is found" wait_until 60 discovered early
	need "four guests come later" start_guests "${late[@]}"
	check "they are found" wait_until 60 discovered "${late[@]}"
	check "they are merged" wait_until 300 merges $((3 * alike))
	echo "# pages_sharing $(counter pages_sharing)," \
		"regions $(counter regions), $(stat_of vms) virtual machines"
	check "all are whole" verify_all early "${late[@]}"

	phase "a reboot"
	region=$(big_region amber)
	echo "# its large region is $region"
	check "a guest reboots" "$guest" reboot amber
	check "it comes up again" "$guest" wait-ready amber
	check "its large region is the same" is "$region" big_region amber

	phase "unloading under guests"
	check "discovery goes" unload_kvm
	check "its regions go with it" is 0 counter regions
	check "what was merged still is" merges 1000
	check "all are whole" verify_all early "${late[@]}"
	need "discovery comes back" load_kvm
	check "and finds all" wait_until 60 discovered early "${late[@]}"

	phase "the end"
	pid=$(pid_of amber)
	check "a guest is killed" "$guest" kill amber
	check "its regions go" wait_until 60 is 0 regions_of "$pid"
	check "those of others do not" discovered early birch
	check "the guests stop" "$guest" stop-all
	check "nothing is left" wait_until 60 is 0 counter regions
	check "nothing was corrupt" is 0 "$guest" corrupt-count
}

echo "TAP version 13"
if [ -e /sys/module/vmdedup ]; then
	echo "Bail out! vmdedup is loaded"
	exit 1
fi
cleanup_all()
{
	sleepers_stop
	"$guest" stop-all >/dev/null 2>&1
	[ ! -e /sys/module/vmdedup_kvm ] || unload_kvm
	cleanup
}
trap cleanup_all EXIT

case $what in
machines)
	need "the engine is loaded" load "$modules/vmdedup.ko"
	need "discovery is loaded" load_kvm
	program discover
	program faultkvm
	test_loading
	test_cost
	test_without_kvm ;;
guests)
	test_guests ;;
*)
	echo "Bail out! what is '$what'?"
	exit 2 ;;
esac
unload_kvm
check "the engine is unloaded" rmmod vmdedup
check "no complaint of the kernel" kernel_whole
echo "1..$count"
echo "# took $SECONDS s"
[ "$failed" = 0 ]
