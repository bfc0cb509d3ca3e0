#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Run the programs of the unit tests one after the other, and print TAP: a line
# for each test of each, and all that it printed if it failed. Ends with 1 if
# any failed.
#
#	run.sh PROGRAM...
set -u

export CMOCKA_MESSAGE_OUTPUT=TAP
failed=0
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
		case $name in
		fuzz-*)	echo "ok - $name: $(grep -E '^(fuzz-core: |Done )' "$log")" ;;
		*)	sed -n "s/^ok [0-9]* - /ok - $name: /p" "$log" ;;
		esac
	else
		echo "not ok - $name ended with $?"
		sed 's/^/# /' "$log"
		failed=1
	fi
done
exit "$failed"
