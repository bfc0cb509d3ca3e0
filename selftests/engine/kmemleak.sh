#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What the tests before this one, and loads of the module that are over, have
# allocated and lost, if the kernel can tell. TAP.
#
#   kmemleak.sh DIR MODULE
set -u

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=module.sh
. "$here/module.sh"
leaks=/sys/kernel/debug/kmemleak

if [ ! -e $leaks ]; then
	echo "1..0 # SKIP a kernel without kmemleak"
	exit 4
fi
# What is younger than five seconds does not count; what is being moved while
# memory is looked at may be missed once.
nap 6
echo scan >$leaks
nap 6
echo scan >$leaks
found=$(cat $leaks)
echo "# $(grep -c '^unreferenced' <<<"$found") in all"
echo 1..1
if grep -q vmdedup <<<"$found"; then
	head -n 60 <<<"$found" | sed 's/^/# /'
	echo "not ok 1 nothing of vmdedup is lost"
	exit 1
fi
echo "ok 1 nothing of vmdedup is lost"
