#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Whatever the Grafana dashboard and the alerts in using.md ask for is what
# "vmdedup metrics" writes: metrics and labels.
set -uo pipefail
export LC_ALL=C

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
dashboard=packaging/grafana/vmdedup.json
golden=userspace/tests/golden/metrics
failed=0

# What appears in the first list and not in the second.
unknown()
{
	local name

	while read -r name; do
		echo "$1 is not in $golden: $name"
		failed=1
	done < <(comm -23 <(sort -u <<< "$2") <(sort -u <<< "$3"))
}

perl -MJSON::PP -0777 -ne 'decode_json($_)' "$dashboard" || exit 1
[ -r "$golden" ] || { echo "no $golden"; exit 1; }

used=$(grep -ohE '"expr": .*' "$dashboard"; grep -E '^ *expr: ' Documentation/using.md)
metrics=$(grep -oE '\bvmdedup_[a-z_]+' <<< "$used")
legends=$(grep -oE '\{\{[a-z_]+\}\}' "$dashboard" | tr -d '{}' | grep -vx instance)
if [ -z "$metrics" ] || [ -z "$legends" ]; then
	echo "nothing found to check"
	exit 1
fi

unknown metric "$metrics" "$(grep -oE '^vmdedup_[a-z_]+' "$golden")"
unknown label "$legends" "$(grep -E '^vmdedup_' "$golden" | grep -oE '[{,][a-z_]+=' | tr -d '{,=')"
# A rate is of a counter.
unknown counter "$(grep -oE 'rate\(vmdedup_[a-z_]+' <<< "$used" | sed 's/rate(//')" \
	"$(sed -n 's/^# TYPE \(vmdedup_[a-z_]*\) counter$/\1/p' "$golden")"
exit $failed
