#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Debian's kernels, unpacked below build/ and never installed.
#
#   kernel.sh VERSION          build/kernels/VERSION/{vmlinuz,vmlinux,release,kdir,lib/modules};
#                              prints the path of kdir
#   kernel.sh source VERSION   build/src/VERSION/: checkpatch, kernel-doc, the kselftest
#                              headers, and the rbtree and xxhash of that kernel;
#                              prints the path
#
#   kernel.sh download PACKAGE...
#                              into the current directory
#   kernel.sh first-source VERSION...
#                              prints the first one of which linux-source is to be had
#
# VERSION is 6.1 or 6.12, or any other that this machine's apt sources offer, or
# those of Debian's later release (later.sh); or one with -debug, -noassert, -kcsan or
# -gcov, see kernel-debug.sh. What is there already is not looked up again.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${BUILD:-$root/build}

# The parts of the kernel source that we use.
source_files=(
	.clang-format
	Documentation/netlink/genetlink-legacy.yaml
	include/linux/xxhash.h
	lib/xxhash.c
	scripts/checkpatch.pl
	scripts/const_structs.checkpatch
	scripts/kernel-doc
	scripts/spelling.txt
	tools/include/linux/rbtree.h
	tools/include/linux/rbtree_augmented.h
	tools/lib/rbtree.c
	tools/testing/selftests/kselftest.h
	tools/testing/selftests/kselftest_harness.h
)

die()
{
	echo "kernel.sh: $*" >&2
	exit 1
}

say()
{
	echo "kernel.sh: $*" >&2
}

# The concrete image package of a version: the newest one that has headers.
find_image()
{
	local re="^linux-image-${1//./\\.}(\\.[0-9]+)*(\\+[a-z0-9]+)?(-[0-9]+)?-amd64\$"
	local p h

	while read -r p; do
		h=${p/linux-image/linux-headers}
		if apt-cache show --no-all-versions "$p" >/dev/null 2>&1 &&
		   apt-cache show --no-all-versions "$h" >/dev/null 2>&1; then
			echo "$p"
			return 0
		fi
	done < <(apt-cache pkgnames "linux-image-$1" | grep -E "$re" | sort -Vr |
		 grep -v "^linux-image-$1-amd64\$")
	return 1
}

# The first alternative of each dependency of a package.
depends()
{
	apt-cache show --no-all-versions "$1" | sed -n 's/^Depends: //p' | head -n 1 |
		tr ',' '\n' | sed 's/|.*//; s/([^)]*)//g; s/[[:space:]]//g; s/:.*//'
}

# Download packages into the current directory.
download()
{
	apt-get -qq -o APT::Sandbox::User=root download "$@" >&2
}

refresh()
{
	[ "$(id -u)" -eq 0 ] || die "$1; run apt-get update as root and try again"
	say "$1; updating the package lists"
	apt-get -qq update >&2
}

# Look further: at first with new lists, then in Debian's later release.
# Called with the number of the try that was in vain.
look_further()
{
	case $1 in
	1)	refresh "$2" ;;
	2)	APT_CONFIG=$("$here/later.sh") || return 1
		export APT_CONFIG
		say "$2; looking in Debian's later release" ;;
	*)	return 1 ;;
	esac
}

# The header Makefiles and links name their neighbours by absolute path.
relocate()
{
	local top=$1 final=$2 f target

	while IFS= read -r -d '' f; do
		target=$(readlink "$f")
		case $target in
		/usr/src/*|/usr/lib/linux-kbuild-*|/lib/linux-kbuild-*)
			ln -sfn "$final$target" "$f" ;;
		esac
	done < <(find "$top/usr/src" "$top/usr/lib" "$top/lib/modules" -type l -print0 2>/dev/null)

	grep -rlIE --include=Makefile --include=Kbuild '/usr/src/linux-headers-' "$top"/usr/src/linux-headers-*-amd64 |
		while IFS= read -r f; do
			sed -i "s|/usr/src/linux-headers-|$final/usr/src/linux-headers-|g" "$f"
		done
}

unpack_kernel()
{
	local version=$1 final=$2 tmp=$3 image headers kbuild common release deb try

	for try in 1 2 3; do
		rm -rf "$tmp/debs"
		mkdir -p "$tmp/debs"
		if image=$(find_image "$version"); then
			headers=${image/linux-image/linux-headers}
			common=$(depends "$headers" | grep -E '^linux-headers-.*-common$')
			kbuild=$(depends "$headers" | grep -E '^linux-kbuild-')
			say "downloading $image, its headers and $kbuild"
			(cd "$tmp/debs" && download "$image" "$headers" "$common" "$kbuild") && break
		fi
		look_further $try "no usable $version kernel package" ||
			die "no Debian kernel $version to be had"
	done

	say "unpacking $image"
	for deb in "$tmp"/debs/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$tmp" --exclude='./usr/share/doc*'
	done
	rm -rf "$tmp/debs"

	# From Debian 13 on the packages ship below /usr only.
	[ -d "$tmp/lib/modules" ] || { mkdir -p "$tmp/lib"; ln -s ../usr/lib/modules "$tmp/lib/modules"; }

	release=${image#linux-image-}
	[ -d "$tmp/lib/modules/$release" ] || die "$image: no modules for $release"
	relocate "$tmp" "$final"
	depmod -b "$tmp" "$release"
	ln -s "boot/vmlinuz-$release" "$tmp/vmlinuz"
	ln -s "usr/src/linux-headers-$release" "$tmp/kdir"
	ln -sfn "$final/kdir" "$tmp/lib/modules/$release/build"
	ln -sfn "$final/usr/src/$common" "$tmp/lib/modules/$release/source"
	echo "$release" >"$tmp/release"
}

# The kernel without its decompressor, which under emulation takes seconds; QEMU
# boots it by its PVH entry.  Boot protocol: Documentation/arch/x86/boot.rst.
extract_vmlinux()
{
	local image=$1 out=$2 sectors offset length magic unpack

	sectors=$(od -An -tu1 -j 497 -N 1 "$image")
	offset=$(od -An -tu4 -j 584 -N 4 "$image")
	length=$(od -An -tu4 -j 588 -N 4 "$image")
	offset=$(((sectors + 1) * 512 + offset))
	magic=$(od -An -tx1 -j "$offset" -N 4 "$image" | tr -d ' ')
	case $magic in
	fd377a58)	unpack="xz -dc --single-stream" ;;
	28b52ffd)	unpack="zstd -qdc" ;;
	1f8b*)		unpack="gzip -dc" ;;
	*)		die "$image: unknown compression $magic" ;;
	esac
	# The last four bytes are the size of what comes out.
	{ tail -c +$((offset + 1)) "$image" || true; } | head -c $((length - 4)) |
		$unpack >"$out.$$"
	mv "$out.$$" "$out"
}

download_anywhere()
{
	local try

	for try in 1 2 3; do
		download "$@" && return 0
		look_further $try "$* cannot be downloaded" || return 1
	done
}

unpack_source()
{
	local version=$1 tmp=$2 deb

	say "downloading linux-source-$version"
	mkdir -p "$tmp/debs"
	(cd "$tmp/debs" && download_anywhere "linux-source-$version") ||
		die "no linux-source-$version to be had"

	say "unpacking linux-source-$version"
	deb=("$tmp"/debs/*.deb)
	dpkg-deb --fsys-tarfile "${deb[0]}" |
		tar -xO "./usr/src/linux-source-$version.tar.xz" |
		tar -xJ -C "$tmp" --strip-components=1 \
			"${source_files[@]/#/linux-source-$version/}"
	rm -rf "$tmp/debs"
}

# What was unpacked before a file was added to the list is not whole.
forget_partial_source()
{
	local f

	for f in "${source_files[@]}"; do
		[ -e "$1/$f" ] || rm -f "$1/.path"
	done
}

# Fill a directory in one step: either it is there and whole, or it is not there.
fill()
{
	local final=$1 tmp

	shift
	# Unpacked paths are absolute: a moved tree has to be unpacked again.
	if [ -f "$final/.path" ] && [ "$(cat "$final/.path")" = "$final" ]; then
		return 0
	fi
	mkdir -p "$(dirname "$final")"
	exec 9>"$final.lock"
	flock 9
	if [ ! -f "$final/.path" ] || [ "$(cat "$final/.path")" != "$final" ]; then
		rm -rf "$final" "$final".tmp.*
		tmp=$(mktemp -d "$final.tmp.XXXXXX")
		chmod 755 "$tmp"
		# shellcheck disable=SC2064 # expand now: tmp is local
		trap "rm -rf '$tmp'" EXIT
		trap 'exit 130' INT
		trap 'exit 143' TERM
		"$@" "$tmp"
		echo "$final" >"$tmp/.path"
		mv -T "$tmp" "$final"
		trap - EXIT INT TERM
	fi
	exec 9>&-
}

# It knows its path all over, so it is built where it stays; what is there after
# an interruption is built on. All kinds of a version share one source.
fill_debug()
{
	local final=$1 version=$2 kind=$3 fragments=("$here/debug.config")

	[ "$kind" = debug ] || fragments+=("$here/$kind.config")
	mkdir -p "$final"
	exec 9>"$final.lock"
	flock 9
	if [ ! -f "$final/.path" ] || [ "$(cat "$final/.path")" != "$final" ] ||
	   ! cat "${fragments[@]}" | cmp -s - "$final/$kind.config"; then
		rm -f "$final/.path"
		"$here/kernel-debug.sh" "$version" "$build/kernels/$version-debug/source" \
			"$final" "${fragments[@]}" || exit 1
		cat "${fragments[@]}" >"$final/$kind.config"
		echo "$final" >"$final/.path"
	fi
	exec 9>&-
}

# The first of some versions of which the source is to be had, or was had. When
# Debian's later release cannot be reached, that is one of this machine's own.
first_source()
{
	local version config

	config=$("$here/later.sh" 2>/dev/null) || config=''
	for version; do
		if [ -f "$build/kernels/$version-debug/.path" ] ||
		   [ -e "$build/kernels/$version-debug/source/.unpacked" ] ||
		   apt-cache show "linux-source-$version" >/dev/null 2>&1 ||
		   { [ -n "$config" ] && APT_CONFIG=$config apt-cache show \
			"linux-source-$version" >/dev/null 2>&1; }; then
			echo "$version"
			return 0
		fi
	done
	die "no source of any of $* to be had"
}

valid()
{
	[[ $1 =~ ^[0-9]+\.[0-9]+(-debug|-noassert|-kcsan|-gcov)?$ ]] || die "not a kernel version: $1"
}

case ${1-} in
source)
	[ $# -eq 2 ] || die "usage: kernel.sh [source] VERSION"
	valid "$2"
	forget_partial_source "$build/src/$2"
	fill "$build/src/$2" unpack_source "$2"
	echo "$build/src/$2"
	;;
download)
	shift
	download_anywhere "$@"
	;;
first-source)
	shift
	first_source "$@"
	;;
*-debug|*-noassert|*-kcsan|*-gcov)
	valid "$1"
	fill_debug "$build/kernels/$1" "${1%-*}" "${1##*-}"
	echo "$build/kernels/$1/kdir"
	;;
*)
	[ $# -eq 1 ] || die "usage: kernel.sh [source] VERSION"
	valid "$1"
	fill "$build/kernels/$1" unpack_kernel "$1" "$build/kernels/$1"
	[ -f "$build/kernels/$1/vmlinux" ] ||
		extract_vmlinux "$build/kernels/$1/vmlinuz" "$build/kernels/$1/vmlinux"
	echo "$build/kernels/$1/kdir"
	;;
esac
