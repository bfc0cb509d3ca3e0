#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A kernel that looks for mistakes: Debian's source of a version, tinyconfig and
# fragments of configuration, built below build/ once. Takes some ten minutes on
# two processors.
#
#   kernel-debug.sh VERSION SOURCE DIR FRAGMENT...
#
# fills DIR as kernel.sh does: vmlinux, release, kdir, lib/modules. The source is
# unpacked in SOURCE, if it is not there yet; several DIRs may share it. Of what
# FRAGMENTs disagree about the last one has its way.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
version=$1 source=$2 dir=$3
shift 3
fragments=("$@")
kdir=$dir/kdir

die()
{
	echo "kernel-debug.sh: $*" >&2
	exit 1
}

fetch()
{
	local deb debs=$source.debs

	mkdir -p "$(dirname "$source")"
	exec 8>"$source.lock"
	flock 8
	if [ ! -e "$source/.unpacked" ]; then
		rm -rf "$source" "$debs"
		mkdir -p "$debs"
		(cd "$debs" && "$here/kernel.sh" download "linux-source-$version") ||
			die "no linux-source-$version in this machine's apt sources, nor in later ones"
		echo "kernel-debug.sh: unpacking linux-source-$version" >&2
		mkdir -p "$source"
		deb=("$debs"/*.deb)
		dpkg-deb --fsys-tarfile "${deb[0]}" |
			tar -xO "./usr/src/linux-source-$version.tar.xz" |
			tar -xJ -C "$source" --strip-components=1
		rm -rf "$debs"
		touch "$source/.unpacked"
	fi
	exec 8>&-
}

# What of the fragments this kernel does not know, or has not taken over.
compare_config()
{
	local line

	while read -r line; do
		grep -qxF "$line" "$kdir/.config" ||
			echo "kernel-debug.sh: $version has not: $line" >&2
	done < <(awk '
		match($0, /CONFIG_[A-Z0-9_]+/) && /^(CONFIG_.*=|# CONFIG_.* is not set)/ {
			last[substr($0, RSTART, RLENGTH)] = $0
		}
		END { for (name in last) if (last[name] ~ /^CONFIG_/) print last[name] }' \
		"${fragments[@]}")
}

configure()
{
	make -s -C "$source" O="$kdir" tinyconfig >/dev/null
	(cd "$source" && KCONFIG_CONFIG="$kdir/.config" \
		scripts/kconfig/merge_config.sh -m -O "$kdir" "$kdir/.config" \
		"${fragments[@]}") >/dev/null
	make -s -C "$source" O="$kdir" olddefconfig >/dev/null
	compare_config
}

build()
{
	echo "kernel-debug.sh: building Linux $version with debugging, which takes a while" >&2
	# Of KCSAN, see kcsan.config; without it this changes nothing.
	make -s -C "$source" O="$kdir" -j"$(nproc)" KCSAN_SANITIZE=n bzImage modules \
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
