#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Test of splats.sh: it finds what it must and nothing else.  TAP.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
log=$(mktemp)
trap 'rm -f "$log"' EXIT
n=0 failed=0

# expect STATUS NAME LINE...
expect()
{
	local want=$1 name=$2 got=0

	shift 2
	{
		printf '[    0.000000] Linux version 6.1.0 (gcc-12)\r\n'
		[ $# -eq 0 ] || printf '[    1.000000] %s\r\n' "$@"
		printf '[    2.000000] Run /init as init process\r\n'
	} >"$log"
	"$here/splats.sh" "$log" >/dev/null || got=$?
	n=$((n + 1))
	if [ "$got" = "$want" ]; then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name (exit status $got)"
		failed=1
	fi
}

splat() { expect 1 "finds: $1" "$1"; }
clean() { expect 0 "passes: $1" "$1"; }

splat 'BUG: kernel NULL pointer dereference, address: 0000000000000008'
splat 'kernel BUG at mm/rmap.c:1234!'
splat 'WARNING: CPU: 0 PID: 1 at mm/memory.c:1 do_wp_page+0x1/0x2'
splat 'Oops: 0002 [#1] PREEMPT SMP NOPTI'
splat 'Kernel panic - not syncing: Attempted to kill init!'
splat 'general protection fault, probably for non-canonical address 0xdead: 0000 [#1]'
splat 'BUG: Bad page state in process x  pfn:12345'
splat 'BUG: Bad rss-counter state mm:000000 type:MM_ANONPAGES val:1'
splat 'BUG: Bad page map in process x  pte:8000 pmd:1'
splat 'INFO: task kworker/0:1:12 blocked for more than 60 seconds.'
splat 'watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [x:1]'
splat 'rcu: INFO: rcu_preempt self-detected stall on CPU'
splat 'rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:'
splat 'BUG: KASAN: slab-use-after-free in x+0x1/0x2'
splat 'WARNING: possible circular locking dependency detected'
splat 'WARNING: possible recursive locking detected'
splat 'WARNING: inconsistent lock state'
splat 'WARNING: suspicious RCU usage'
splat 'INFO: trying to register non-static key.'
splat 'kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)'
splat 'UBSAN: array-index-out-of-bounds in x.c:1:2'
splat 'refcount_t: underflow; use-after-free.'
splat 'list_add corruption. prev->next should be next (1), but was 2.'
splat 'BUG: sleeping function called from invalid context at x.c:1'
splat 'BUG: scheduling while atomic: x/1/0x00000002'
splat 'BUG kmalloc-64 (Tainted: G           O      ): Redzone overwritten'
splat 'BUG: unable to handle page fault for address: ffff8880'
splat ' Call Trace:'
splat 'BUG: test'

expect 0 'passes an empty log'
clean 'Command line: console=ttyS0 rcupdate.rcu_cpu_stall_timeout=120'
clean 'Kernel command line: console=ttyS0 rcupdate.rcu_cpu_stall_timeout=120'
clean 'rcu: 	RCU restricting CPUs from NR_CPUS=8192 to nr_cpu_ids=2.'
clean 'rcu: RCU calculated value of scheduler-enlistment delay is 25 jiffies.'
clean 'rcu: 	RCU CPU stall warnings timeout set to 120 (rcu_cpu_stall_timeout)'
clean 'hello: module verification failed: signature and/or required key missing - tainting kernel'
clean 'hello: loading out-of-tree module taints kernel.'
clean 'x[123]: segfault at 0 ip 0000000000401126 sp 00007ffd error 6 in x'
clean 'traps: x[123] general protection fault ip:401126 sp:7ffd error:0 in x'
clean 'DEBUG_OBJECTS: 0'
clean 'kmemleak: Kernel memory leak detector initialized (mem pool available: 15851)'
expect 0 'passes the stack of a cache that was refused' \
	'__kmem_cache_create_args(vmdedup_cell) failed with error -12' \
	'CPU: 0 UID: 0 PID: 12 Comm: insmod' 'Call Trace:' ' <TASK>'
expect 0 'passes the stack of one without memory for the processors' \
	'__kmem_cache_create_args(vmdedup_cell) failed with error -22' \
	'CPU: 0 UID: 0 PID: 12 Comm: insmod' 'Call Trace:' ' <TASK>'
expect 1 'finds the stack of one that was refused otherwise' \
	'__kmem_cache_create_args(vmdedup_cell) failed with error -17' \
	'CPU: 0 UID: 0 PID: 12 Comm: insmod' 'Call Trace:'
expect 1 'finds another stack after it' \
	'__kmem_cache_create_args(vmdedup_cell) failed with error -12' \
	'CPU: 0 UID: 0 PID: 12 Comm: insmod' 'Call Trace:' ' <TASK>' \
	'CPU: 0 UID: 0 PID: 12 Comm: insmod' 'Call Trace:'
expect 1 'finds the stack of another cache' \
	'__kmem_cache_create_args(other) failed with error -12' \
	'CPU: 0 UID: 0 PID: 12 Comm: insmod' 'Call Trace:'
expect 1 'finds a complaint before that stack' \
	'__kmem_cache_create_args(vmdedup_cell) failed with error -12' \
	'BUG: test' 'Call Trace:'

got=0
"$here/splats.sh" /nonexistent 2>/dev/null || got=$?
n=$((n + 1))
if [ $got = 2 ]; then
	echo "ok $n - an unreadable log is an error"
else
	echo "not ok $n - an unreadable log is an error (exit status $got)"
	failed=1
fi

echo "1..$n"
exit $failed
