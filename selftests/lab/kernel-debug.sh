#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The debug kernel: Debian's source of a version, tinyconfig and debug.config,
# built below build/ once. Takes some ten minutes on two processors.
#
#   kernel-debug.sh VERSION DIR    fills DIR as kernel.sh does: vmlinux, release,
#                                  kdir, lib/modules
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
version=$1 dir=$2
source=$dir/source kdir=$dir/kdir

die()
{
	echo "kernel-debug.sh: $*" >&2
	exit 1
}

fetch()
{
	local deb

	[ ! -e "$source/.unpacked" ] || return 0
	rm -rf "$source" "$kdir" "$dir/debs"
	mkdir -p "$dir/debs"
	(cd "$dir/debs" && "$here/kernel.sh" download "linux-source-$version") ||
		die "no linux-source-$version in this machine's apt sources, nor in later ones"
	echo "kernel-debug.sh: unpacking linux-source-$version" >&2
	mkdir -p "$source"
	deb=("$dir"/debs/*.deb)
	dpkg-deb --fsys-tarfile "${deb[0]}" |
		tar -xO "./usr/src/linux-source-$version.tar.xz" |
		tar -xJ -C "$source" --strip-components=1
	rm -rf "$dir/debs"
	touch "$source/.unpacked"
}

# What of debug.config this kernel does not know, or has not taken over.
compare_config()
{
	local line

	while read -r line; do
		case $line in
		CONFIG_*)
			grep -qxF "$line" "$kdir/.config" ||
				echo "kernel-debug.sh: $version has not: $line" >&2 ;;
		esac
	done <"$here/debug.config"
}

configure()
{
	make -s -C "$source" O="$kdir" tinyconfig >/dev/null
	(cd "$source" && KCONFIG_CONFIG="$kdir/.config" \
		scripts/kconfig/merge_config.sh -m -O "$kdir" "$kdir/.config" \
		"$here/debug.config") >/dev/null
	make -s -C "$source" O="$kdir" olddefconfig >/dev/null
	compare_config
}

build()
{
	echo "kernel-debug.sh: building Linux $version with debugging, which takes a while" >&2
	make -s -C "$source" O="$kdir" -j"$(nproc)" bzImage modules \
		>"$dir/build.log" 2>&1 || {
		grep -E 'error|Error' "$dir/build.log" | head >&2
		die "does not build, see $dir/build.log"
	}
	make -s -C "$source" O="$kdir" INSTALL_MOD_PATH="$dir" modules_install \
		>>"$dir/build.log" 2>&1
	make -s -C "$source" O="$kdir" kernelrelease >"$dir/release"
	# Not by its PVH entry: that code runs before KASAN has its shadow.
	ln -sfn kdir/arch/x86/boot/bzImage "$dir/vmlinux"
}

"$here/packages.sh" debug
fetch
configure
build
