#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The lab: boot a KVM host in a VM, run a program in it, end with its status.
# README.md beside this file tells the rest.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${BUILD:-$root/build}

usage()
{
	cat >&2 <<-END
	usage: lab.sh -k VERSION [OPTION]... [--] PROGRAM [ARG]...

	  -k VERSION   kernel to boot: 6.1, 6.12
	  -m MIB       memory of the lab (4096)
	  -c CPUS      processors of the lab (2)
	  -n NODES     NUMA nodes, which share memory and processors evenly (1)
	  -t SECONDS   time limit, boot included (600)
	  -o OUTDIR    directory that the program may write to (\$LAB_OUT) and that
	               keeps klog (kernel log) and stdout
	  -d DIR       directory with modules, \$LAB_MODULES for the program;
	               several are joined with colons
	  -a ARGS      more kernel arguments
	  -i           count instructions: time passes by a nanosecond with each, so
	               that times are numbers of instructions; one processor only
	  -q           do not pass the program's output on, only keep it

	Exit status: the program's; 123: an emulated processor slept through its
	timer; 124: out of time; 125: the lab itself failed; 126: the kernel
	complained (see splats.sh).
	END
	exit 125
}

note()
{
	echo "# lab: $*" >&2
}

paths=("$root" "$PWD")
version='' mib=4096 cpus=2 nodes=1 limit=600 out='' modules='' append='' quiet=0
accel=(-accel 'tcg,thread=multi')
while getopts k:m:c:n:t:o:d:a:iqh opt; do
	case $opt in
	k)	version=$OPTARG ;;
	m)	mib=$OPTARG ;;
	c)	cpus=$OPTARG ;;
	n)	nodes=$OPTARG ;;
	t)	limit=$OPTARG ;;
	o)	out=$OPTARG ;;
	d)	dir=$(cd "$OPTARG" && pwd) || exit 125
		modules=${modules:+$modules:}$dir
		paths+=("$dir") ;;
	a)	append=$OPTARG ;;
	i)	cpus=1
		accel=(-accel 'tcg,thread=single' -icount 'shift=0,sleep=off') ;;
	q)	quiet=1 ;;
	*)	usage ;;
	esac
done
shift $((OPTIND - 1))
if [ -z "$version" ] || [ $# -eq 0 ]; then
	usage
fi

qemu_pid='' keep=1
# shellcheck disable=SC2317 # called by trap
cleanup()
{
	local status=$?

	trap - EXIT INT TERM HUP
	if [ -n "$qemu_pid" ] && kill -0 "$qemu_pid" 2>/dev/null; then
		# QEMU dies with its parent, see below; give it time to be gone.
		kill -KILL "$qemu_pid" 2>/dev/null || true
		wait "$qemu_pid" 2>/dev/null || true
		flock -w 10 "$out/.lab/alive" true || note "QEMU still runs"
	fi
	[ "$keep" = 1 ] || rm -rf "$out"
	exit "$status"
}

"$here/packages.sh" demo || exit 125
make -s -C "$here" BUILD="$build" >&2 || exit 125
program=$("$here/qemu.sh") || exit 125
kdir=$("$here/kernel.sh" "$version") || exit 125
kernel=$(dirname "$kdir")

if [ -n "$out" ]; then
	mkdir -p "$out"
else
	mkdir -p "$build/lab/out"
	out=$(mktemp -d "$build/lab/out/$version.XXXXXX")
	keep=0
fi
out=$(cd "$out" && pwd)
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

initrd=$kernel/lab-initrd
flock "$kernel/.path" "$here/initrd.sh" "$version" "$initrd" "$here/init" \
	-m virtio_pci -m virtio_console -m 9pnet_virtio -m 9p -m overlay -m kvm_amd || exit 125

rm -rf "$out/.lab"
mkdir "$out/.lab"
printf '%s\0' "$@" >"$out/.lab/command"
{
	printf 'LAB_KERNEL=%q\n' "$version"
	printf 'LAB_MODULES=%q\n' "$modules"
	printf 'LAB_DIR=%q\n' "$here"
	printf 'LAB_BIN=%q\n' "$build/lab"
	printf 'LAB_CWD=%q\n' "$PWD"
	printf 'LAB_OUT=%q\n' /run/lab/out
} >"$out/.lab/env"
printf '%s\n' "$here" "$kernel/lib/modules" >"$out/.lab/dirs"
printf '%s\n' "${paths[@]}" >"$out/.lab/paths"
: >"$out/klog"
: >"$out/stdout"

# Under TCG on a busy machine a vCPU may well not run for some seconds: be
# patient with stalls.  A panic resets the machine at once, which -no-reboot
# turns into an end of QEMU.  Four levels of page tables will do: while 7.2 reads
# anew what its first processor can do, KASAN takes all memory for wild if an
# interrupt comes just then, since there seem to be no five.
cmdline="console=ttyS0,115200 loglevel=5 printk.devkmsg=on panic=-1
	mitigations=off oops=panic no_timer_check tsc=reliable watchdog_thresh=60
	rcupdate.rcu_cpu_stall_timeout=120 audit=0 selinux=0 apparmor=0
	random.trust_cpu=on net.ifnames=0 no5lvl $append"

# A null device would never be open, and the program wait for that for ever.
chardev=stdio,id=prog,signal=off,logfile=$out/stdout
[ $quiet = 0 ] || chardev=file,id=prog,path=$out/stdout

# shellcheck disable=SC2054 # the commas are meant
qemu=(
	"$program"
	-no-user-config -nodefaults -display none -no-reboot
	-machine q35 "${accel[@]}" -cpu max
	-m "$mib" -smp "$cpus,sockets=$nodes"
	-kernel "$kernel/vmlinux" -initrd "$initrd" -append "${cmdline//[$'\n\t']/ }"
	-chardev "file,id=klog,path=$out/klog"
	-serial chardev:klog
	-device virtio-serial-pci
	-chardev "$chardev"
	-device virtserialport,chardev=prog,nr=1
	-virtfs "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap"
	-virtfs "local,path=$out,mount_tag=out,security_model=none,multidevs=remap"
	-device virtio-rng-pci
	-d cpu_reset -D "$out/.lab/resets"
	-name "lab-$version"
)

if [ "$nodes" -gt 1 ]; then
	for ((n = 0; n < nodes; n++)); do
		first=$((n * cpus / nodes)) last=$(((n + 1) * cpus / nodes - 1))
		[ "$first" -le "$last" ] && own=,cpus=$first-$last || own=
		qemu+=(-object "memory-backend-ram,id=node$n,size=$((mib / nodes))M"
			-numa "node,nodeid=$n,memdev=node$n$own")
	done
fi

# At the end of its standard input QEMU would take the reader of the program's
# output for gone: give it one that never ends.
mkfifo "$out/.lab/stdin"
exec 9<>"$out/.lab/stdin"

# QEMU must not outlive this script however that ends: the kernel kills
# timeout with it, and QEMU with timeout.  It also holds a lock for as long as
# it lives.
setpriv --pdeathsig KILL flock --no-fork "$out/.lab/alive" \
	timeout --foreground -k 5 "$limit" \
	setpriv --pdeathsig KILL "${qemu[@]}" \
	<&9 2>"$out/.lab/qemu.err" &
qemu_pid=$!

# Once in a great while the timer of an emulated processor that idles is never
# heard of again, and all hangs that waits for something to happen there. The
# kernel finds out after some time, and it is no use to wait for the rest. (By read,
# and not by sleep, which would outlive us, with our output.)
lost="kthread timer wakeup didn't happen"
# shellcheck disable=SC2016 # it is the other shell that expands
setpriv --pdeathsig KILL bash -c '
	until grep -qas "$1" "$2"; do
		read -rt 5 _ <&9
	done
	kill -TERM "$3"' watch "$lost" "$out/klog" "$qemu_pid" &
watch_pid=$!

ended=0
wait "$qemu_pid" || ended=$?
qemu_pid=''
kill "$watch_pid" 2>/dev/null || true

status=125
if [ -s "$out/.lab/status" ]; then
	status=$(cat "$out/.lab/status")
elif [ $ended = 124 ] || [ $ended = 137 ]; then
	note "$version: out of time after $limit s"
	status=124
fi

# Not if there was anything else to complain about.
if grep -qas "$lost" "$out/klog" &&
   sed '/rcu.*detected stalls/,$d' "$out/klog" >"$out/.lab/before" &&
   "$here/splats.sh" "$out/.lab/before" >/dev/null; then
	note "$version: an emulated processor slept through its timer"
	status=123
elif ! splats=$("$here/splats.sh" "$out/klog"); then
	note "$version: the kernel complained:"
	echo "$splats" >&2
	[ "$status" = 124 ] || status=126
elif [ "$status" = 125 ] && [ ! -s "$out/.lab/status" ]; then
	note "$version: the lab failed, QEMU's status $ended; end of the kernel log:"
	tail -n 30 "$out/klog" | tr -d '\r' | sed 's/^/# /' >&2
	sed 's/^/# qemu: /' "$out/.lab/qemu.err" >&2
fi
if [ $keep = 0 ] && [ "$status" != 0 ]; then
	note "logs kept in $out"
	keep=1
fi
exit "$status"
