#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Pack an initramfs for a kernel that kernel.sh unpacked.
#
#   initrd.sh VERSION OUT INIT [-m MODULE]... [FILE[=PATH-INSIDE]]...
#
# OUT gets static busybox with its applets, INIT as /init, the modules with all
# they depend on below /modules, /modules/order to load them in, and the FILEs.
# Nothing is done if OUT is newer than all that goes in.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${BUILD:-$root/build}

version=$1 out=$2 init=$3
shift 3
kernel=$build/kernels/$version
release=$(cat "$kernel/release")

modules=() files=() insides=()
while [ $# -gt 0 ]; do
	case $1 in
	-m)	modules+=("$2"); shift 2 ;;
	*)	files+=("${1%%=*}")
		case $1 in
		*=*)	insides+=("${1#*=}") ;;
		*)	insides+=("/$(basename "$1")") ;;
		esac
		shift ;;
	esac
done

busybox=$(command -v busybox)
recipe="$release $init ${modules[*]} ${files[*]} ${insides[*]}"
if [ -f "$out" ] && [ "$(cat "$out.recipe" 2>/dev/null)" = "$recipe" ]; then
	fresh=1
	for f in "$kernel/.path" "$busybox" "$init" "${files[@]}" "${BASH_SOURCE[0]}"; do
		[ "$out" -nt "$f" ] || fresh=0
	done
	[ $fresh = 0 ] || exit 0
fi

tmp=$(mktemp -d)
trap 'rm -rf "$tmp" "$out.$$"' EXIT
d=$tmp/root
mkdir -p "$d"/{bin,dev,etc,modules,proc,run,sys,tmp,root}
cp "$busybox" "$d/bin/busybox"
for a in $("$busybox" --list); do
	[ "$a" = busybox ] || ln -s busybox "$d/bin/$a"
done
cp "$init" "$d/init"
chmod 755 "$d/init"
for i in "${!files[@]}"; do
	mkdir -p "$d$(dirname "${insides[$i]}")"
	cp "${files[$i]}" "$d${insides[$i]}"
done

# modprobe tells the files in the order to load them; "builtin" needs none.
: >"$d/modules/order"
for m in "${modules[@]}"; do
	modprobe -d "$kernel" -S "$release" --show-depends "$m"
done | while read -r verb path _; do
	[ "$verb" = insmod ] || continue
	name=$(basename "$path" | sed 's/\.ko.*/.ko/')
	[ ! -e "$d/modules/$name" ] || continue
	case $path in
	*.xz)	xz -dc "$path" >"$d/modules/$name" ;;
	*.zst)	zstd -qdc "$path" >"$d/modules/$name" ;;
	*.gz)	gzip -dc "$path" >"$d/modules/$name" ;;
	*)	cp "$path" "$d/modules/$name" ;;
	esac
	echo "$name" >>"$d/modules/order"
done

mkdir -p "$(dirname "$out")"
(cd "$d" && find . | cpio -o -H newc --quiet -R 0:0) | zstd -q -3 >"$out.$$"
mv "$out.$$" "$out"
echo "$recipe" >"$out.recipe"
