#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# build-module.sh VERSION DIR [MAKE-ARG]...: build the module in DIR, from a
# copy of the source, against the lab's headers of kernel VERSION. W=1 and
# warnings are errors: that is for us, not for the builds of users. Warnings
# that match $ALLOW are let pass.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
version=$1 dir=$2
shift 2
kdir=${BUILD:-$root/build}/kernels/$version/kdir

mkdir -p "$dir"
# What was deleted from the source must not be built.
(cd "$dir" && find . -type f \( -name '*.[ch]' ! -name '*.mod.c' \
	! -name vmdedup_probes.h -o -name Kbuild \) -print0) |
while IFS= read -r -d '' file; do
	[ -e "$root/$file" ] || rm -f "$dir/$file"
done
(cd "$root" && find Kbuild VERSION kmod include -type f \( -name '*.[ch]' \
	-o -name Kbuild -o -name VERSION \) ! -name '*.mod.c' \
	! -name vmdedup_probes.h -print0 |
	xargs -0 cp -u --preserve=timestamps --parents -t "$dir")

log=$dir/build.log
if ! make -C "$kdir" M="$dir" W=1 "$@" modules > "$log" 2>&1; then
	grep -E 'error|Error' "$log" >&2 || tail -n 20 "$log" >&2
	echo "build-module.sh: does not build for $version, see $log" >&2
	exit 1
fi
if grep -E 'warning:' "$log" | grep -vE "${ALLOW:-^$}" >&2; then
	# Remove what would be up to date, and so silent, the next time.
	find "$dir" -name '*.o' -delete
	echo "build-module.sh: warnings for $version" >&2
	exit 1
fi
