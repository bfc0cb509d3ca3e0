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

# Real guests on emulated hardware virtualization: once in some runs a guest's
# processor resets, with QEMU before 8.1 often and without vmdedup, too (see qemu.sh);
# with later ones seldom, and why is not known (Documentation/testing.md). So a run
# that failed is made again, which is said, with what failed and KVM's last events,
# and its log is kept. Not so if memory was corrupt or the host's kernel complained:
# that is never explained away. (But for a stray int3, which no code of ours contains.)
#
# kvm_suite KERNEL NAME SECONDS PROGRAM [ARG]...
kvm_suite()
{
	local kernel=$1 name=$2 limit=$3 first=$logs/$2-$1-first.log status=0

	shift 3
	echo "# takes some minutes, and is shown when it has ended"
	suite "$kernel" "$name" "$limit" "$@" > "$first" 2>&1 || status=$?
	if [ "$status" -eq 0 ] ||
	   { [ "$status" -eq 126 ] &&
	     ! grep -q 'Oops: int3' "$logs/$name-$kernel/klog"; } ||
	   grep -qE "^# 'corrupt |^not ok .*(corrupt|complaint)" "$first"; then
		cat "$first"
		return "$status"
	fi
	rm -rf "$logs/$name-$kernel-first"
	mv "$logs/$name-$kernel" "$logs/$name-$kernel-first"
	sed -n '/^not ok/,/^ok/{/^ok/!s/^/# first run: /p}' "$first"
	echo "# the first run ended with $status, see $first; trying again"
	suite "$kernel" "$name" "$limit" "$@"
}

# The last line counts; false if anything failed.
summary()
{
	echo "# took $SECONDS s, $skipped skipped"
	echo "$passed passed, $failed failed"
	[ "$failed" -eq 0 ]
}
