#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Test of the lab itself, to be run inside it: four guests of two kernels boot,
# obey, and tell of corruption; the oracle sees what they have in common.  TAP.
#
#   lab.sh -k VERSION -- selftests/lab/guests-test.sh
#
# shellcheck disable=SC2016,SC2317 # functions are called through check
set -euo pipefail

guest=$LAB_DIR/guest/guest.sh
n=0 failed=0

# check NAME COMMAND...: its output is given as a comment
check()
{
	local name=$1 out status=0

	shift
	out=$("$@" 2>&1) || status=$?
	n=$((n + 1))
	if [ $status = 0 ]; then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name"
		failed=1
	fi
	[ -z "$out" ] || echo "${out//$'\n'/$'\n'# }" | sed '1s/^/# /'
}

is()
{
	local want=$1 have

	shift
	have=$("$@")
	[ "$have" = "$want" ] || { echo "'$have', must be '$want'"; return 1; }
}

uptime_is()
{
	local up

	read -r up _ </proc/uptime
	echo "# $up s: $*"
}

at_least_mib()
{
	local key=$1 mib=$2 pages

	pages=$(sed -n "s/^ *\"$key\": *\\([0-9]*\\).*/\\1/p" /tmp/oracle.json)
	echo "$key: $((pages / 256)) MiB"
	[ $((pages / 256)) -ge "$mib" ]
}

trap '"$guest" stop-all >/dev/null 2>&1 || true' EXIT

uptime_is "starting four guests"
for g in a:6.1 b:6.1 c:6.12 d:6.12; do
	"$guest" start "${g%:*}" "${g#*:}" &
done
wait
uptime_is "started"
for g in a b c d; do
	check "guest $g boots" "$guest" wait-ready $g
done
uptime_is "ready"

pids=()
for g in a b c d; do
	pids+=("$("$guest" pid $g)")
done
check "the oracle reads them" sh -c '"$@" >/tmp/oracle.json' - "$LAB_BIN/oracle" --json "${pids[@]}"
uptime_is "read"
sed 's/^/# /' /tmp/oracle.json | head -n 13
# Three of four copies of the shared file.
check "what they share could be saved" at_least_mib possible_pages 48
check "their own data could not" at_least_mib distinct_pages 64

for g in a b c d; do
	check "guest $g goes on and is whole" is ok "$guest" cmd $g verify
done
check "rewriting" is ok "$guest" cmd a rewrite 30
check "writing" is ok "$guest" cmd c write 30
check "nothing is corrupt" is 0 "$guest" corrupt-count
check "stop" "$guest" qmp b stop
check "cont" "$guest" qmp b cont
check "balloon" "$guest" qmp b balloon '{"value": 117440512}'
check "reboot from within" "$guest" reboot a
check "reset from without" "$guest" reset c
check "comes up again" "$guest" wait-ready a
check "comes up again" "$guest" wait-ready c
check "is whole" is ok "$guest" cmd a verify
check "flip a bit on purpose" is ok "$guest" cmd d corrupt
check "which is seen" is "corrupt 1" "$guest" cmd d verify
check "and counted" sh -c '[ "$("$1" corrupt-count)" -gt 0 ]' - "$guest"
check "kill" "$guest" kill b
check "power off" "$guest" stop-all
uptime_is "done"
echo "1..$n"
exit $failed
