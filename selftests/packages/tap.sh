# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Tests of the packages, to be sourced; $failed counts.

failed=0

# tap NAME COMMAND...: ok if the command succeeds; its output explains if not.
tap()
{
	local name=$1 out

	shift
	if out=$("$@" 2>&1); then
		echo "ok - packages: $name"
	else
		failed=$((failed + 1))
		echo "not ok - packages: $name"
		printf '%s\n' "$out" | sed 's/^/# /' | tail -n 40
	fi
}
