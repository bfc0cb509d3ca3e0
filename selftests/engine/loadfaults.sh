#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Load the module while memory runs out, at each of the allocations of its init
# function in turn; and unload it so. Loading works or fails and leaves nothing
# behind; unloading works. TAP.
#
#   loadfaults.sh DIR MODULE
set -u

if [ $# -ne 2 ]; then
	echo "usage: ${0##*/} DIR MODULE" >&2
	exit 2
fi
module=$2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=module.sh
. "$here/module.sh"
slab=/sys/kernel/debug/failslab
pages=/sys/kernel/debug/fail_page_alloc
# More allocations than either takes.
most=2000
# Counts down with each that fails.
times=1000000

if [ ! -w /proc/self/fail-nth ] || [ ! -e $slab/require-start ]; then
	echo "1..0 # SKIP a kernel that cannot fail on purpose (CONFIG_FAULT_INJECTION)"
	exit 4
fi
if [ -e /sys/module/vmdedup ]; then
	echo "Bail out! vmdedup is loaded"
	exit 1
fi

say()
{
	echo "# $*"
}

# Both kinds of allocation: set_all NAME VALUE
set_all()
{
	local fault

	for fault in $slab $pages; do
		echo "$2" >"$fault/$1"
	done
}

ready()
{
	local what

	for what in probability:0 interval:1 space:0 verbose:0 task-filter:N \
		stacktrace-depth:32 reject-start:0 reject-end:0 \
		ignore-gfp-wait:N; do
		set_all "${what%:*}" "${what#*:}"
	done
	echo N >$slab/cache-filter
	echo N >$pages/ignore-gfp-highmem
	echo 0 >$pages/min-order
}

# Only where a function of the kernel is on the way: range_of FUNCTION
range_of()
{
	local start end

	read -r start end < <(sort /proc/kallsyms | awk -v name="$1" '
		found && $1 != start { print start, $1; exit }
		$3 == name && $4 == "" { found = 1; start = $1 }')
	[ -n "${end-}" ] || return 1
	set_all require-start "0x$start"
	set_all require-end "0x$end"
}

# with_fault N COMMAND...: its Nth allocation fails, if it makes so many.
with_fault()
{
	local nth=$1

	shift
	set_all times $times
	(echo "$nth" >/proc/self/fail-nth; exec "$@")
}

hit()
{
	[ "$(<$slab/times)" != $times ] ||
		[ "$(<$pages/times)" != $times ]
}

thread()
{
	grep -qs '^vmdedup' /proc/[0-9]*/comm
}

nothing_left()
{
	[ ! -e /sys/module/vmdedup ] && [ ! -e /dev/vmdedup ] &&
		[ ! -e /sys/class/misc/vmdedup ] &&
		! grep -q '^vmdedup' /proc/slabinfo && ! thread
}

all_there()
{
	[ -c /dev/vmdedup ] && [ -e /sys/class/misc/vmdedup/stats/regions ] &&
		thread
}

progress()
{
	[ $(($1 % 50)) != 0 ] || say "$1 at $SECONDS s"
}

load_each()
{
	local nth refused=0 why

	range_of do_one_initcall || return 1
	for ((nth = 1; nth < most; nth++)); do
		progress "$nth"
		if why=$(with_fault "$nth" insmod "$module" 2>&1); then
			# The device appears by another process' doing.
			for _ in $(seq 100); do
				! all_there || break
				nap 0.1
			done
			all_there || { say "not all there after fault $nth"; return 1; }
			rmmod vmdedup || return 1
		else
			refused=$((refused + 1))
			[[ $why == *"Cannot allocate memory"* ]] ||
				{ say "fault $nth: $why"; return 1; }
		fi
		nothing_left || { say "something is left after fault $nth"; return 1; }
		hit || break
	done
	say "$((nth - 1)) allocations, $refused times refused"
	[ $nth -lt $most ] && [ $refused -ge 8 ]
}

unload_each()
{
	local nth

	# All that unloading does begins in this function.
	range_of __do_sys_delete_module ||
		range_of __x64_sys_delete_module || return 1
	for ((nth = 1; nth < most; nth++)); do
		progress "$nth"
		load "$module" || return 1
		with_fault "$nth" rmmod vmdedup ||
			{ say "refused with fault $nth"; return 1; }
		nothing_left || { say "something is left after fault $nth"; return 1; }
		hit || break
	done
	say "$((nth - 1)) allocations"
	[ $nth -lt $most ]
}

works()
{
	load "$module" && rmmod vmdedup && nothing_left
}

count=0 failed=0
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

trap 'set_all probability 0; set_all times -1
	[ ! -e /sys/module/vmdedup ] || rmmod vmdedup' EXIT
ready
check "load" load_each
check "unload" unload_each
set_all times -1
check "load and unload with memory" works
echo "1..$count"
[ "$failed" = 0 ]
