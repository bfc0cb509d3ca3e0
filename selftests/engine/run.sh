#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Run the engine's tests, as root, on the kernel that is running (in the lab).
#
#   run.sh DIR MODULE [PROGRAM|GROUP]...
#   run.sh groups        their names
#
# DIR has the built programs, MODULE is the path of vmdedup.ko. Without
# PROGRAMs all groups run. Prints TAP: one line per test, told apart by the name of
# its program, with what a failed one said; and at the end the totals. Exits
# with 0 only if nothing failed. V=1 shows what the others said, too; ALL=1 has
# those run, too, that take long.
set -u

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=module.sh
. "$here/module.sh"
sysfs=/sys/class/misc/vmdedup
# What it does and refuses; what many do at once, or somebody who means harm; what
# goes on meanwhile; calls at random; and allocations that fail.
groups=(basics load attacks races fuzzers faulty)
declare -A group=(
	[basics]="merge account vmaops huge swap pinned lifecycle badinput refuse
		netlink badnetlink ledger policy scan limits uffd stall command.sh"
	[load]="adverse lostwrite"
	[attacks]="attack"
	[races]="race_mm race_swap race_host race_uffd race_huge race_pins
		race_reload unload.sh eavesdrop"
	[fuzzers]="fuzz"
	[faulty]="faults faultscan loadfaults"
	# Some of each kind, where all is slow and time is short.
	[essential]="merge account vmaops huge pinned lifecycle badinput refuse
		badnetlink policy limits uffd stall race_mm race_swap faults"
)
# Those that take long, and for which it matters little on which kernel they run.
[ -z "${ALL-}" ] || group[load]+=" cost reserve"

if [ "$*" = groups ]; then
	echo "${groups[@]}"
	exit
fi
if [ $# -lt 2 ]; then
	echo "usage: ${0##*/} DIR MODULE [PROGRAM|GROUP]..." >&2
	exit 2
fi
dir=$1 module=$2
shift 2
# For those that unload it and load it again.
export VMDEDUP_MODULE=$module
# Most of it needs a debug build (VMDEDUP_DEBUG=1), for which it has a run of its own.
[ -z "$(modinfo -F inject "$module")" ] || group[basics]="scrub ${group[basics]}"
[ $# -gt 0 ] || set -- "${groups[@]}"
programs=() leaks=''
for name; do
	read -r -d '' -a named <<<"${group[$name]-$name}" || :
	programs+=("${named[@]}")
	# Only where the kernel can tell.
	[ -z "${group[$name]-}" ] || [ ! -e /sys/kernel/debug/kmemleak ] ||
		leaks=kmemleak.sh
done
[ -z "$leaks" ] || programs+=("$leaks")

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
count=0 pass=0 fail=0 skip=0
declare -A defaults

# result ok|not-ok|skip NAME [TEXT]
result()
{
	count=$((count + 1))
	case $1 in
	ok)	pass=$((pass + 1)); echo "ok $count $2" ;;
	skip)	skip=$((skip + 1)); echo "ok $count $2 # SKIP $3" ;;
	*)	fail=$((fail + 1)); echo "not ok $count $2${3:+ # $3}" ;;
	esac
}

tunables_read()
{
	local f

	for f in "$sysfs"/*; do
		# Root may write everything: go by the mode.
		case ${f##*/}/$(stat -c %a "$f") in
		uevent/*) ;;
		*/6??)	defaults[${f##*/}]=$(cat "$f") ;;
		esac
	done
}

tunables_reset()
{
	local name

	for name in "${!defaults[@]}"; do
		echo "${defaults[$name]}" >"$sysfs/$name"
	done
}

# Lines of a program's TAP, numbered anew and with its name put before.
merge_tap()
{
	local program=$1 line said='' plan='' seen=0 name
	local noise='^# +(RUN|OK|FAIL|SKIP) '
	local result_line='^(ok|not ok) [0-9]+ (- )?(.*)$'

	while IFS= read -r line; do
		if [[ $line =~ ^1\.\.([0-9]+) ]]; then
			plan=${BASH_REMATCH[1]}
		elif [[ $line =~ $result_line ]]; then
			seen=$((seen + 1))
			name=${BASH_REMATCH[3]}
			if [ "${BASH_REMATCH[1]}" != ok ]; then
				head -n 25 <<<"${said%$'\n'}"
				result not-ok "$program: $name"
			else
				[ -z "${V-}" ] || printf '%s' "$said"
				case $name in
				*\#*SKIP*)
					result skip "$program: ${name%% #*}" \
						"${name##*SKIP }" ;;
				*)	result ok "$program: $name" ;;
				esac
			fi
			said=''
		elif [[ $line =~ $noise ]]; then
			:
		elif [[ $line != 'TAP version'* ]]; then
			said+="# ${line#\# }"$'\n'
		fi
	done
	if [ -n "$plan" ] && [ "$plan" != "$seen" ]; then
		printf '%s' "$said"
		result not-ok "$program: plan" "$seen of $plan tests ended"
	elif [ -z "$plan" ]; then
		printf '%s' "$said"
		result not-ok "$program: plan" "no plan"
	fi
}

# run_one PROGRAM: anything that is not a clean end must show as a failure.
run_one()
{
	local name=${1%.sh} limit=${LIMIT:-900} failed=$fail status start=$SECONDS
	local command=("$dir/$1")

	case $1 in
	*.sh)	command=("$here/$1" "$dir" "$module") ;;
	esac
	timeout -k 10 "$limit" "${command[@]}" >"$tmp/out" 2>&1 </dev/null
	status=$?
	merge_tap "$name" <"$tmp/out"
	if [ "$status" != 0 ] && [ "$status" != 4 ] && [ "$failed" = "$fail" ]; then
		result not-ok "$name" "status $status (124: out of time)"
	fi
	echo "# $name: $((SECONDS - start)) s"
}

echo "TAP version 13"
if [ -e /sys/module/vmdedup ] && ! rmmod vmdedup; then
	echo "Bail out! vmdedup is loaded and in use"
	exit 1
fi
loaded=0
for program in "${programs[@]}"; do
	case $program in
	unload.sh)
		# It loads and unloads the module itself.
		if [ "$loaded" = 1 ]; then
			rmmod vmdedup && loaded=0
			result "$([ "$loaded" = 0 ] && echo ok || echo not-ok)" \
				"run: unload between programs"
		fi ;;
	*)
		if [ "$loaded" = 0 ]; then
			if ! load "$module"; then
				result not-ok "run: load $module"
				break
			fi
			loaded=1
			tunables_read
		fi ;;
	esac
	run_one "$program"
	[ "$loaded" = 0 ] || tunables_reset
done
if [ "$loaded" = 1 ]; then
	rmmod vmdedup && loaded=0
	result "$([ "$loaded" = 0 ] && echo ok || echo not-ok)" "run: unload at the end"
fi

echo "1..$count"
echo "# totals: pass $pass fail $fail skip $skip"
[ "$fail" = 0 ] && [ "$pass" -gt 0 ]
