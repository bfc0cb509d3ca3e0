#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# verdict.sh FROM TO SECONDS STATUS: complete the figures of a demo with the
# time it took, and judge them. STATUS is how the lab ended.
set -euo pipefail

from=$1 to=$2 seconds=$3 status=$4

# value KEY: a number of the flat JSON object that inside.sh writes.
value()
{
	sed -n "s/^ *\"$1\": *\"\\{0,1\\}\\([^\",]*\\).*/\\1/p" "$from"
}

sed "s/^ *\"seconds\":.*/  \"seconds\": $seconds/" "$from" > "$to.tmp"
mv "$to.tmp" "$to"

saved=$(value saved_mib) possible=$(value oracle_mib) ratio=$(value saved_ratio)
corrupt=$(value corrupt) leaked=$(value leaked_pages)
percent=$(awk -v r="$ratio" 'BEGIN { printf "%.1f", 100 * r }')

verdict=0
fail()
{
	echo "demo: FAILED: $*" >&2
	verdict=1
}

awk -v r="$ratio" 'BEGIN { exit !(r >= 0.90) }' ||
	fail "less than 90 % of what was possible was saved"
[ "$corrupt" -eq 0 ] || fail "$corrupt pages of guests are corrupt"
[ "$leaked" -eq 0 ] || fail "$leaked pages did not come back"
[ "$status" -eq 0 ] || fail "the virtual host ended with status $status"
echo "demo: saved $saved MiB of $possible MiB possible ($percent %), $corrupt corrupt"
exit "$verdict"
