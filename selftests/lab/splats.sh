#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Search a kernel log for signs of a broken kernel.
#
#   splats.sh FILE    exit status 0: none; 1: found, excerpt on standard output
#                     as TAP comments; 2: the log cannot be read
set -euo pipefail

[ $# -eq 1 ] || { echo "usage: splats.sh FILE" >&2; exit 2; }
[ -r "$1" ] || { echo "splats.sh: cannot read $1" >&2; exit 2; }

patterns=(
	'\<BUG\>'			# BUG:, kernel BUG at, BUG kmalloc-64 (Tainted)
	'\<WARNING:'
	'\<Oops\>'
	'Kernel panic'
	'unable to handle'
	'general protection fault[,:]'	# not a user program's, which ends in "ip:"
	'Bad page'
	'Bad rss-counter'
	'blocked for more than'
	'(soft|hard|workqueue) lockup'
	'hard LOCKUP'
	'rcu.*(stall|kthread starved)'
	'INFO: task '
	'INFO: (suspicious|lockdep|possible|inconsistent|trying)'
	'possible .* (detected|deadlock)'
	'inconsistent lock state'
	'suspicious RCU usage'
	'KASAN|KFENCE: |KCSAN'
	'UBSAN: '
	'kmemleak: [0-9]+ new suspected'
	'refcount_t: '
	'list_(add|del) corruption'
	'usercopy: Kernel memory (exposure|overwrite)'
	'ODEBUG: '
	'slab .*: .*(corrupt|Objects remaining)'
	'Call Trace:'
)

# What a healthy kernel may say of itself and the patterns would match.
harmless='ommand line:|rcu: .*(configured|RCU CPU stall warnings timeout|Adjusting|boot option)|KernelAddressSanitizer initialized|kfence: initialized'

# The stack that the kernel prints when a cache of ours could not be made for want
# of memory, which it was told to fail: it is from there that the error is returned.
# (EINVAL it says, too, if there was none for the caches of the processors.)
without_failed_caches()
{
	awk '/kmem_cache_create[a-z_]*\(vmdedup_[a-z]+\) failed with error -(12|22)/ {
			failed = 12
		}
		failed && /Call Trace:/ { failed = 0; next }
		{ print; if (failed) failed-- }'
}

all=$(IFS='|'; echo "${patterns[*]}")
excerpt=$(tr -d '\r\000' <"$1" | without_failed_caches | { grep -avE "$harmless" || true; } |
	{ grep -aE -A 24 "$all" || true; } | awk 'NR <= 100 { print "# " $0 }')
[ -n "$excerpt" ] || exit 0
echo "$excerpt"
exit 1
