#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# dkms.conf proved: add, build, install and remove with dkms, in a tree of its
# own, against the headers of both kernels. Prints TAP.
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

# modules RELEASE GLOB: both modules are there, for that kernel.
modules()
{
	local release=$1 where=$2 name file

	for name in vmdedup vmdedup_kvm; do
		file=$(compgen -G "$where/$name.ko*" | head -n 1)
		if [ -z "$file" ] || [ "$(modinfo -F version "$file")" != "$version" ] ||
		   [[ $(modinfo -F vermagic "$file") != "$release "* ]]; then
			echo "$release: no good $name.ko in $where" >> "$dir/log"
			return 1
		fi
	done
}

built()
{
	local kernel=$1 release

	release=$(cat "$build/kernels/$kernel/release")
	run build -k "$release" --kernelsourcedir "$build/kernels/$kernel/kdir" &&
	modules "$release" "$dir/tree/vmdedup/$version/$release/*/module"
}

# Into a tree of our own, where there is nothing else to depend on: so without
# depmod, which packages.sh has dkms run.
installed()
{
	local kernel=$1 release

	release=$(cat "$build/kernels/$kernel/release")
	mkdir -p "$dir/modules/$release" &&
	run install -k "$release" --kernelsourcedir "$build/kernels/$kernel/kdir" \
		--installtree "$dir/modules" --no-depmod &&
	modules "$release" "$dir/modules/$release/updates/dkms"
}

# It is built again for each kernel that gets installed.
automatic()
{
	grep -qx 'AUTOINSTALL="yes"' "$root/dkms.conf"
}

removed()
{
	run remove --all --installtree "$dir/modules" --no-depmod &&
	[ -z "$(find "$dir/tree" "$dir/modules" -name '*.ko*')" ]
}

same_version()
{
	grep -qx "PACKAGE_VERSION=\"$version\"" "$root/dkms.conf"
}

tap 'dkms.conf has the version of VERSION' same_version
tap add run add
for kernel in 6.1 6.12; do
	tap "build for $kernel" built "$kernel"
	tap "install for $kernel" installed "$kernel"
done
tap 'built for new kernels' automatic
tap remove removed
echo "1..$count"
[ "$failed" -eq 0 ]
