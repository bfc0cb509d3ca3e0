#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Run the programs of the unit tests one after the other, and print the closing
# lines of each, or all that it printed if it failed. Ends with 1 if any failed.
#
#	run.sh PROGRAM...
set -u

failed=
for program in "$@"; do
	name=${program##*/}
	log=$program.log
	dir=${program%/*}

	case $name in
	fuzz-core-libfuzzer)
		set -- -seed=1 "-max_total_time=${FUZZ_SECS:-3}" -max_len=512 \
			"-artifact_prefix=$dir/" ;;
	fuzz-core)
		set -- -n "${FUZZ_INPUTS:-4000}" ;;
	*)
		set -- ;;
	esac
	if timeout 300 "$program" "$@" >"$log" 2>&1; then
		echo "$name:"
		grep -E '^(\[={10}\] .* run\.|\[  PASSED  \]|fuzz-core: |Done )' "$log"
	else
		echo "$name: FAILED ($?)"
		cat "$log"
		failed="$failed $name"
	fi
done

if [ -n "$failed" ]; then
	echo "failed:$failed" >&2
	exit 1
fi
