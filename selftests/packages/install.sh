#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# install.sh KERNEL DIR: install the packages into this machine's root file
# system with a tmpfs on top, which takes all that gets written; test them there
# and leave what was installed in DIR/installed. To be run in a mount namespace
# of its own, with which everything is gone. Prints TAP.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
kernel=$BUILD/kernels/$1
dir=$2
release=$(cat "$kernel/release")
top=$dir/top

fail()
{
	echo "not ok - packages: a root to install into: $*"
	exit 1
}

# overlay LOWER TARGET: what is written to TARGET stays in the tmpfs.
overlay()
{
	local layer

	layer=$(mktemp -d "$top/layer.XXXXXX") || fail "$2"
	mkdir "$layer/data" "$layer/work"
	chmod 755 "$layer/data"
	mount -t overlay -o "lowerdir=$1,upperdir=$layer/data,workdir=$layer/work" \
		overlay "$2" || fail "$2"
}

mkdir -p "$top"
mount -t tmpfs -o mode=755 tmpfs "$top" || fail tmpfs
mkdir "$top/root" "$top/empty"
new=$top/root
overlay / "$new"
mount -t proc proc "$new/proc" || fail proc
mount --rbind /dev "$new/dev" || fail dev
for path in /run /tmp /sys; do
	mount -t tmpfs -o mode=1777 tmpfs "$new$path" || fail "$path"
done
# The sources and builds may be below /tmp, or on another file system than /.
for path in "$(dirname "$(dirname "$here")")" "$BUILD"; do
	mkdir -p "$new$path"
	mount --bind "$path" "$new$path" || fail "$path"
done
# The only kernel there is the one to build for; without a module.
mkdir -p "$new/lib/modules"
overlay "$kernel/lib/modules" "$new/lib/modules"
# An earlier make install of this machine is not ours to test.
rm -rf "$new/var/lib/dkms/"* "$new/usr/src/vmdedup-"*

# No service may be started, nobody asked.
printf '#!/bin/sh\nexit 101\n' > "$new/usr/sbin/policy-rc.d"
chmod 755 "$new/usr/sbin/policy-rc.d"

# KERNEL_RELEASE and the like: a clean environment.
env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TERM=dumb HOME=/root \
	DEBIAN_FRONTEND=noninteractive RELEASE="$release" OUT="$dir" \
	DEBS="$BUILD/deb" VERSION="$(cat "$here/../../VERSION")" \
	chroot "$new" /bin/bash "$here/installed.sh"
