#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# In the lab: run tests, and keep what the kernel has counted of modules meanwhile,
# also of those that were unloaded.
#
#   inside.sh MODULES PROGRAM [ARG]...
#
# MODULES is where they were built. Ends with the program's status.
set -u

modules=$1
shift
counts=/sys/kernel/debug/gcov$modules

"$@"
status=$?

if [ ! -d "$counts" ]; then
	echo "not ok - $counts is not there: were the modules built with GCOV_PROFILE=y?"
	exit 1
fi
cd "$counts" || exit 1
# Their size is 0, until they are read.
find . -name '*.gcda' | while IFS= read -r file; do
	mkdir -p "$LAB_OUT/gcov/${file%/*}"
	cat "$file" >"$LAB_OUT/gcov/$file"
done
exit $status
