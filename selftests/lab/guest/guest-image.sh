#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Build a guest on the outer machine, once:
#
#   guest-image.sh VERSION    build/guests/VERSION/{vmlinux,initrd}; prints the path
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
build=${BUILD:-$root/build}

[ $# -eq 1 ] || { echo "usage: guest-image.sh VERSION" >&2; exit 1; }
version=$1
out=$build/guests/$version

kdir=$("$here/../kernel.sh" "$version")
kernel=$(dirname "$kdir")
make -s -C "$here/.." BUILD="$build" >&2
mkdir -p "$out"
(
	flock 9
	"$here/../initrd.sh" "$version" "$out/initrd" "$here/init" \
		-m virtio_pci -m virtio_balloon "$build/lab/guestload"
	cmp -s "$kernel/vmlinux" "$out/vmlinux" || cp "$kernel/vmlinux" "$out/vmlinux"
) 9>"$out/.lock"
echo "$out"
