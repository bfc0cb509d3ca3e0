#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# dkms.conf proved: add and build with dkms, in a tree of its own, against the
# headers of both kernels. Prints TAP.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${BUILD:-$root/build}
dir=$build/dkms
version=$(cat "$root/VERSION")

rm -rf "$dir"
mkdir -p "$dir/tree"
make --no-print-directory -C "$root" dkms-source \
	DKMS_SOURCE="$dir/src/vmdedup-$version" > "$dir/log" || exit 1

run()
{
	dkms "$@" --dkmstree "$dir/tree" --sourcetree "$dir/src" \
		-m vmdedup -v "$version" >> "$dir/log" 2>&1
}

count=0 failed=0
tap()
{
	local name=$1

	shift
	count=$((count + 1))
	if "$@"; then
		echo "ok $count dkms: $name"
	else
		failed=$((failed + 1))
		echo "not ok $count dkms: $name"
		tail -n 20 "$dir/log" | sed 's/^/# /'
	fi
}

built()
{
	local kernel=$1 release module

	release=$(cat "$build/kernels/$kernel/release")
	run build -k "$release" --kernelsourcedir "$build/kernels/$kernel/kdir" &&
	for module in vmdedup vmdedup_kvm; do
		compgen -G "$dir/tree/vmdedup/$version/$release/*/module/$module.ko*" \
			> /dev/null || return 1
	done
}

same_version()
{
	grep -qx "PACKAGE_VERSION=\"$version\"" "$root/dkms.conf"
}

tap 'dkms.conf has the version of VERSION' same_version
tap add run add
for kernel in 6.1 6.12; do
	tap "build for $kernel" built "$kernel"
done
echo "1..$count"
[ "$failed" -eq 0 ]
