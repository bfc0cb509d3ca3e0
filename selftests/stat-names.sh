#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The files below /sys/class/misc/vmdedup, as the source defines them; with the
# argument kvm, those below /sys/module/vmdedup_kvm/parameters.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# names FILE MACRO: first argument of each X(...) in a list macro.
names()
{
	awk -v macro="define $2\\\\(X\\\\)" '
		$0 ~ macro { on = 1; next }
		on && match($0, /X\(/) { print substr($0, RSTART + 2) }
		on && !/\\$/ { on = 0 }' "$1"
}

if [ "${1-}" = kvm ]; then
	names "$root/kmod/kvm/kvm.h" VMDEDUP_KVM_STATS | sed 's/,.*//'
	exit
fi
names "$root/kmod/scan/engine.h" VMDEDUP_TUNABLES | sed 's/,.*//'
# The one that is a word.
echo domain_policy
names "$root/include/uapi/linux/vmdedup_netlink.h" VMDEDUP_STATS |
	sed 's/,.*//;s,^,stats/,'
names "$root/include/uapi/linux/vmdedup.h" VMDEDUP_SKIP_REASONS |
	sed 's/^[^,]*,[[:space:]]*//;s/,.*//;s,^,stats/skip_,'
