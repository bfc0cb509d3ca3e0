#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# KVM guests inside the lab.
#
#   guest.sh start NAME VERSION [MIB [QEMU-ARG]...]
#                         boot a guest (128 MiB); does not wait for it.
#                         GUEST_MEM=anon|memfd|hugetlb picks the kind of memory,
#                         GUEST_CPUS the processors, GUEST_ARGS more kernel
#                         arguments (guestload.own=32 ...)
#   guest.sh wait-ready NAME
#                         until the payload checks its memory
#   guest.sh cmd NAME LINE
#                         verify, rewrite, corrupt, status ...: see guestload.c
#   guest.sh qmp NAME VERB [ARGUMENTS-JSON]  or  qmp NAME JSON
#                         stop, cont, system_reset, balloon '{"value": BYTES}' ...
#   guest.sh migrate NAME TO
#                         live, to another QEMU, from then on the guest TO; does
#                         not wait for it: see 'qmp NAME query-migrate'. NAME is
#                         to be killed then
#   guest.sh reboot NAME  from within; wait-ready then waits for the new boot
#   guest.sh reset NAME   from without, likewise
#   guest.sh pid NAME     QEMU's process id
#   guest.sh list         names of all guests
#   guest.sh console NAME its console so far
#   guest.sh stop NAME    power off, or kill if it does not
#   guest.sh kill NAME    kill -9
#   guest.sh forget NAME  likewise, and do not count what its console says
#   guest.sh stop-all     all of them at once
#   guest.sh corrupt-count
#                         how many bad pages the guests ever told of, plus the
#                         guests whose kernel broke; also those stopped since
#
# Consoles are kept in $LAB_OUT/guests/ once a guest has ended.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
build=${BUILD:-$root/build}
state=${GUEST_STATE:-/run/lab/guests}
talk=$build/lab/labtalk
# A guest that is not ready after so many seconds of "hang" is reset, twice at the most;
# each time it has those of "ready" anew. On a kernel that is slow all of them are
# VMDEDUP_PATIENCE times as many.
patience=${VMDEDUP_PATIENCE:-1}
ready=$((400 * patience)) hang=$((150 * patience)) timeout=$((300 * patience))

die()
{
	echo "guest.sh: $*" >&2
	exit 1
}

# Sleep without starting a process, which takes long under emulation.
nap()
{
	local -r seconds=$1

	read -r -t "$seconds" <> <(:) || true
}

dir_of()
{
	[ -d "$state/$1" ] || die "no guest $1"
	echo "$state/$1"
}

alive()
{
	local pid

	[ -s "$state/$1/pid" ] && read -r pid <"$state/$1/pid" && kill -0 "$pid" 2>/dev/null
}

# KVM rewrites its own code (static keys) when the first virtual machine comes
# and the last one goes, and when the last local APIC is switched on. Emulated
# processors do not always notice in time what another one has rewritten, and
# die of an int3. A machine that never starts, with its APIC off, keeps it from
# doing so while guests run.
keeper_start()
{
	local pid

	exec 9>"$state.lock"
	flock 9
	if [ ! -s "$state.keeper" ] || ! read -r pid <"$state.keeper" ||
	   ! kill -0 "$pid" 2>/dev/null; then
		qemu-system-x86_64 -no-user-config -nodefaults -display none \
			-machine pc -accel kvm -cpu host,xsave=off -m 8 -S \
			-name keeper -pidfile "$state.keeper" -daemonize 9>&-
	fi
	exec 9>&-
}

keeper_stop()
{
	local pid

	[ -s "$state.keeper" ] || return 0
	read -r pid <"$state.keeper"
	kill -KILL "$pid" 2>/dev/null || true
	while kill -0 "$pid" 2>/dev/null; do
		nap 0.1
	done
	rm -f "$state.keeper"
}

start()
{
	local name=$1 version=$2 mib=${3:-128} image d machine=pc,hpet=off,vmport=off
	local mem=() id=${GUEST_ID:-$1}

	shift $(($# < 3 ? $# : 3))
	image=$build/guests/$version
	[ -f "$image/initrd" ] || die "no image of $version: run guest-image.sh outside first"
	! alive "$name" || die "$name runs"
	d=$state/$name
	rm -rf "$d"
	mkdir -p "$d"
	keeper_start

	case ${GUEST_MEM:-anon} in
	anon)	;;
	memfd)	mem=(-object "memory-backend-memfd,id=ram,size=${mib}M,share=on") ;;
	hugetlb) mem=(-object "memory-backend-memfd,id=ram,size=${mib}M,share=off,hugetlb=on") ;;
	*)	die "GUEST_MEM=$GUEST_MEM: anon, memfd or hugetlb" ;;
	esac
	[ ${#mem[@]} -eq 0 ] || machine+=,memory-backend=ram

	echo 1 >"$d/boots"
	echo "$id" >"$d/id"
	echo "${GUEST_ARGS-}" >"$d/args"
	printf '%s\0' "$version" "$mib" "$@" >"$d/start"
	qemu-system-x86_64 -no-user-config -nodefaults -display none \
		-machine "$machine" -accel kvm -cpu host,xsave=off \
		-m "$mib" -smp "${GUEST_CPUS:-1}" "${mem[@]}" \
		-kernel "$image/vmlinux" -initrd "$image/initrd" \
		-append "console=ttyS0,115200 quiet panic=-1 mitigations=off audit=0 no_timer_check watchdog_thresh=60 iommu=noaperture guestload.id=$id ${GUEST_ARGS-}" \
		-serial "file:$d/console" \
		-chardev "socket,id=control,path=$d/control,server=on,wait=off" \
		-serial chardev:control \
		-qmp "unix:$d/qmp,server=on,wait=off" \
		-device virtio-balloon-pci \
		-name "$name" -pidfile "$d/pid" -daemonize "$@"
}

# How often the payload has come up.
boots()
{
	grep -ac "^guest $(cat "$state/$1/id") ready" "$state/$1/console" || true
}

# Now and then a guest hangs before its first message: emulated nested
# virtualization is not perfect. A reset helps; it is tried twice.
wait_ready()
{
	local name=$1 d want
	local -i end=$((SECONDS + ready)) hung=$((SECONDS + hang)) resets=2

	d=$(dir_of "$name")
	read -r want <"$d/boots"
	until [ "$(boots "$name")" -ge "$want" ]; do
		if ! alive "$name"; then
			tail -n 20 "$d/console" >&2
			die "$name has ended"
		fi
		if [ $SECONDS -ge $end ]; then
			tail -n 20 "$d/console" >&2
			die "$name is not ready after $ready s"
		fi
		if [ $SECONDS -ge $hung ] && [ $resets -gt 0 ]; then
			echo "# guest.sh: $name hangs, resetting it" >&2
			qmp "$name" system_reset >/dev/null
			resets=$((resets - 1))
			hung=$((SECONDS + hang))
			end=$((SECONDS + ready))
		fi
		nap 0.5
	done
}

cmd()
{
	local d

	d=$(dir_of "$1")
	alive "$1" || die "$1 has ended"
	"$talk" "$d/control" "$timeout" "${*:2}"
}

qmp()
{
	local d json

	d=$(dir_of "$1")
	case $2 in
	'{'*)	json=$2 ;;
	*)	json="{\"execute\":\"$2\"${3:+,\"arguments\":$3}}" ;;
	esac
	"$talk" -q "$d/qmp" 30 "$json"
}

# The other QEMU is told the same, so that its memory is laid out alike; the
# guest keeps the name that it has known since it booted.
migrate()
{
	local from to=$2 socket=$state/$2/migration args

	from=$(dir_of "$1")
	mapfile -d '' -t args <"$from/start"
	GUEST_ID=$(cat "$from/id") GUEST_ARGS=$(cat "$from/args") \
		start "$to" "${args[@]}" -incoming "unix:$socket"
	# It has come up already.
	echo 0 >"$state/$to/boots"
	qmp "$1" migrate "{\"uri\": \"unix:$socket\"}" >/dev/null
}

again()
{
	echo $(($(boots "$1") + 1)) >"$state/$1/boots"
}

# Wait for the end of a guest for so many seconds.
ended()
{
	local -i end=$((SECONDS + $2))

	while alive "$1"; do
		[ $SECONDS -lt $end ] || return 1
		nap 0.2
	done
}

keep_console()
{
	[ -n "${LAB_OUT-}" ] || return 0
	mkdir -p "$LAB_OUT/guests"
	cp "$state/$1/console" "$LAB_OUT/guests/$1.console"
}

kill_guest()
{
	local d

	d=$(dir_of "$1")
	! alive "$1" || kill -KILL "$(cat "$d/pid")"
	ended "$1" 20 || die "$1 cannot be killed"
	keep_console "$1"
}

stop()
{
	local answer=''

	dir_of "$1" >/dev/null
	if alive "$1"; then
		answer=$(timeout=60 && cmd "$1" quit) || true
		if [ "$answer" != ok ] || ! ended "$1" 90; then
			echo "guest.sh: $1 does not power off; killing it" >&2
			kill_guest "$1"
			return 1
		fi
	fi
	keep_console "$1"
}

list()
{
	[ ! -d "$state" ] || ls "$state"
}

stop_all()
{
	local name failed=0 pids=()

	for name in $(list); do
		stop "$name" &
		pids+=($!)
	done
	for name in "${pids[@]}"; do
		wait "$name" || failed=1
	done
	keeper_stop
	return $failed
}

corrupt_count()
{
	local name n=0 c

	for name in $(list); do
		c=$(grep -ac 'CORRUPT' "$state/$name/console" || true)
		n=$((n + c))
		if ! "$here/../splats.sh" "$state/$name/console" >&2; then
			echo "# guest $name: its kernel broke" >&2
			n=$((n + 1))
		fi
	done
	echo "$n"
}

verb=${1-}
[ $# -eq 0 ] || shift
case $verb in
start)		[ $# -ge 2 ] || die "start NAME VERSION"; start "$@" ;;
wait-ready)	wait_ready "$@" ;;
cmd)		cmd "$@" ;;
qmp)		qmp "$@" ;;
reboot)		again "$1"; cmd "$1" reboot >/dev/null ;;
reset)		again "$1"; qmp "$1" system_reset >/dev/null ;;
migrate)	[ $# = 2 ] || die "migrate NAME TO"; migrate "$@" ;;
pid)		cat "$(dir_of "$1")/pid" ;;
list)		list ;;
console)	cat "$(dir_of "$1")/console" ;;
stop)		stop "$1" ;;
kill)		kill_guest "$1" ;;
forget)		kill_guest "$1"; rm -rf "${state:?}/$1" ;;
stop-all)	stop_all ;;
corrupt-count)	corrupt_count ;;
*)		die "unknown command '$verb'; see the head of this script" ;;
esac
