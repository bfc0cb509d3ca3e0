#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The benchmark, inside the lab: inside.sh PROGRAM. What is to be measured is said
# in $LAB_OUT/settings, see bench.sh. Writes $LAB_OUT/processes.json, guests.json.
set -euo pipefail

program=$1
guest=$LAB_DIR/guest/guest.sh
guests=(amber:6.1 birch:6.1 cedar:6.12 delta:6.12)
names=("${guests[@]%:*}")
# shellcheck source=/dev/null
. "$LAB_OUT/settings"
options=(-p "$BENCH_PROCS" -m "$BENCH_MIB" -r "$BENCH_ROUNDS" -s "$BENCH_SECONDS" -i "$BENCH_IDLE"
	-O "$LAB_BIN/oracle")

phases=()
with_guests=0
for phase in $BENCH_PHASES; do
	if [ "$phase" = guests ]; then
		with_guests=1
	else
		phases+=("$phase")
	fi
done

insmod "$LAB_MODULES/vmdedup.ko"
if [ ${#phases[@]} -gt 0 ]; then
	"$program" "${options[@]}" -o "$LAB_OUT/processes.json" "${phases[@]}"
fi
[ $with_guests = 1 ] || exit 0

trap '"$guest" stop-all > /dev/null 2>&1 || true' EXIT
# Huge pages are measured elsewhere: here all rounds begin with small ones.
echo never > /sys/kernel/mm/transparent_hugepage/enabled
for each in "${guests[@]}"; do
	"$guest" start "${each%:*}" "${each#*:}" 128 &
done
wait
pids=()
for name in "${names[@]}"; do
	"$guest" wait-ready "$name"
	pids+=("$("$guest" pid "$name")")
done
"$program" "${options[@]}" -o "$LAB_OUT/guests.json" guests "${pids[@]}"
for name in "${names[@]}"; do
	answer=$("$guest" cmd "$name" verify)
	[[ $answer == ok* ]] || { echo "guest $name: $answer"; exit 1; }
done
[ "$("$guest" corrupt-count)" = 0 ] || { echo "a guest is corrupt"; exit 1; }
"$guest" stop-all
rmmod vmdedup
