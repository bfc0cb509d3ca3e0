# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Stages of tests, and their sum, to be sourced. Every stage prints TAP, which is
# kept in $logs, too. Wants: $root, $BUILD, and in $only the names of stages if
# not all are to run.

logs=$BUILD/check
passed=0 failed=0 skipped=0

mkdir -p "$logs"

wanted()
{
	local name

	[ ${#only[@]} -eq 0 ] && return 0
	for name in "${only[@]}"; do
		[[ $1 == "$name"* ]] && return 0
	done
	return 1
}

# Run a command, keep what it prints in $log, and return its status.
attempt()
{
	"$@" 2>&1 < /dev/null | tee "$log"
	return "${PIPESTATUS[0]}"
}

# stage NAME COMMAND...: run it, show its output, count its TAP. A stage that
# fails without saying which test did is a failure more; so is one that says
# nothing at all. Where the lab's emulated processor slept through its timer (status
# 123 of lab.sh) nothing was tested: it is run once more, and what it printed before
# is kept, but not counted.
stage()
{
	local name=$1 began=$SECONDS log=$logs/$1.log status ok notok skip

	shift
	wanted "$name" || return 0
	echo "# $name: begins"
	attempt "$@"
	status=$?
	if [ "$status" -eq 123 ]; then
		mv "$log" "$log.slept"
		echo "# $name: an emulated processor slept through its timer, again:"
		attempt "$@"
		status=$?
	fi
	skip=$(grep -ciE '^ok .*# *SKIP' "$log")
	ok=$(($(grep -cE '^ok ' "$log") - skip))
	notok=$(grep -cE '^not ok ' "$log")
	if [ $((ok + notok + skip)) -eq 0 ] ||
	   { [ "$status" -ne 0 ] && [ "$notok" -eq 0 ]; }; then
		echo "not ok - $name ended with status $status" | tee -a "$log"
		notok=$((notok + 1))
	fi
	passed=$((passed + ok))
	failed=$((failed + notok))
	skipped=$((skipped + skip))
	echo "# $name: $ok passed, $notok failed, $skip skipped," \
		"$((SECONDS - began)) s"
}

# build NAME COMMAND...: something to be built, as one test.
build()
{
	local name=$1

	shift
	if "$@"; then
		echo "ok 1 build: $name"
	else
		echo "not ok 1 build: $name"
	fi
}

# In the lab: suite KERNEL NAME SECONDS [LAB-OPTION... --] PROGRAM [ARG]...
suite()
{
	local kernel=$1 name=$2 limit=$3

	shift 3
	rm -rf "$logs/$name-$kernel"
	selftests/lab/lab.sh -k "$kernel" -t "$limit" \
		-o "$logs/$name-$kernel" -d "$BUILD/kmod/$kernel/kmod" "$@"
}

# The last line counts; false if anything failed.
summary()
{
	echo "# took $SECONDS s, $skipped skipped"
	echo "$passed passed, $failed failed"
	[ "$failed" -eq 0 ]
}
