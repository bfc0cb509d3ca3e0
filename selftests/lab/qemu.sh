#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# qemu.sh: prints the QEMU to boot the lab with.
#
# That is the one of Debian's later release, unpacked below build/ with the
# libraries it needs, or else the machine's own. Before 8.1 QEMU's emulation
# with several processors translated code without locking the page it is in, so
# that a processor could go on executing what another one had just overwritten:
# kernels, which patch their own code, then die of a stray int3, hang, or reset
# without a word; about one lab in ten did.
#
# LAB_QEMU=PROGRAM in the environment has the last word.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=${BUILD:-$(cd "$here/../.." && pwd)/build}
final=$build/qemu
good=8.1

say()
{
	echo "qemu.sh: $*" >&2
}

version_of()
{
	"$1" --version | sed -n '1s/.* version \([0-9.]*\).*/\1/p'
}

at_least()
{
	[ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]
}

# The program brings its own C library, and must be started by it.
wrapper()
{
	cat <<-END
	#!/bin/sh
	usr=$final/root/usr
	lib=\$usr/lib/x86_64-linux-gnu
	exec "\$lib/ld-linux-x86-64.so.2" --library-path "\$lib" \\
		"\$usr/bin/qemu-system-x86_64" -L "\$usr/share/qemu" -L "\$usr/share/seabios" "\$@"
	END
}

unpack()
{
	local deb

	APT_CONFIG=$("$here/later.sh") || return 1
	export APT_CONFIG
	say "downloading QEMU of Debian's later release"
	rm -rf "$final.tmp"
	mkdir -p "$final.tmp/root" "$final.tmp/cache/archives/partial"
	apt-get -qq -y --download-only -o Dir::Cache="$final.tmp/cache" \
		install qemu-system-x86 libc6 >&2 || return 1
	for deb in "$final.tmp"/cache/archives/*.deb; do
		dpkg-deb -x "$deb" "$final.tmp/root" || return 1
	done
	rm -rf "$final.tmp/cache"
	wrapper >"$final.tmp/qemu"
	chmod 755 "$final.tmp/qemu"
	rm -rf "$final"
	mv -T "$final.tmp" "$final"
}

# Moved with the tree, it has to be unpacked again: it knows its path.
unpacked()
{
	[ -x "$final/qemu" ] && grep -qxF "usr=$final/root/usr" "$final/qemu"
}

pick()
{
	local own

	if [ -n "${LAB_QEMU-}" ]; then
		echo "$LAB_QEMU"
		return
	fi
	own=$(command -v qemu-system-x86_64)
	if at_least $good "$(version_of "$own")"; then
		echo "$own"
		return
	fi
	mkdir -p "$build"
	exec 9>"$build/qemu.lock"
	flock 9
	if unpacked; then
		echo "$final/qemu"
	elif [ -n "$(find "$final.none" -mmin -60 2>/dev/null)" ]; then
		echo "$own"
	elif unpack && version_of "$final/qemu" >/dev/null; then
		echo "$final/qemu"
	else
		rm -rf "$final" "$final.tmp"
		say "using this machine's QEMU $(version_of "$own"), whose emulation has races:" \
			"now and then a lab or a guest in it may die, with or without vmdedup"
		touch "$final.none"
		echo "$own"
	fi
}

pick
