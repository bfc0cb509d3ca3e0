#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The Debian packages proved: built, linted, installed as an operator does it
# into a root that is thrown away, with the modules built by dkms, and what was
# installed then used in the lab. Prints TAP.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export BUILD=${BUILD:-$root/build}
deb=$BUILD/deb
dir=$BUILD/packages
kernel=6.12
version=$(cat "$root/VERSION")
cd "$root" || exit 1

# shellcheck source=packages/tap.sh
. selftests/packages/tap.sh

# Tests of another program, which prints results of its own.
part()
{
	"$@" || failed=$((failed + 1))
}

same_version()
{
	[ "$(dpkg-parsechangelog -l packaging/debian/changelog -S Version)" = "$version" ]
}

# Nothing but what the overrides explain.
lint()
{
	local out

	out=$(lintian --allow-root --display-info --pedantic "$deb/vmdedup_${version}_amd64.changes") ||
		{ echo "$out"; return 1; }
	[ -z "$out" ] || { echo "$out"; return 1; }
}

contents()
{
	local list=$dir/contents package

	for package in "$deb"/*.deb; do
		dpkg-deb --fsys-tarfile "$package" | tar -t |
			sed -n "s|^\\.|$(dpkg-deb -f "$package" Package): |; /[^/]\$/p"
	done | grep -v ': /usr/src/vmdedup-.*\.[ch]$' | LC_ALL=C sort > "$list"
	# Where udev's and systemd's files go changed with Debian 13.
	diff -u selftests/packages/contents \
		<(sed "s/$version/VERSION/g; s|: /usr/lib/\(systemd\|udev\)/|: /lib/\1/|" "$list")
}

conffiles()
{
	[ "$(dpkg-deb -I "$deb/vmdedup_${version}_amd64.deb" conffiles)" = /etc/vmdedup.conf ]
}

# Every line that may be uncommented in vmdedup.conf is a tunable.
settings()
{
	local name names known missing=0

	known=$(selftests/stat-names.sh)
	names=$(sed -n 's/^#\([a-z_]*\) = .*/\1/p' packaging/vmdedup.conf)
	[ -n "$names" ] || return 1
	for name in $names; do
		grep -qx "$name" <<< "$known" ||
			{ echo "no tunable $name"; missing=1; }
	done
	return $missing
}

rm -rf "$dir"
mkdir -p "$dir"
tap 'the changelog has the version of VERSION' same_version
tap 'make deb' make --no-print-directory O="$BUILD" deb
tap 'lintian has no remark that is not explained' lint
tap 'each package has what it should' contents
tap 'vmdedup.conf is kept through upgrades' conffiles
tap 'vmdedup.conf names tunables that exist' settings
tap 'the dashboard uses metrics that exist' selftests/packages/dashboard.sh

if [ "$(id -u)" -ne 0 ]; then
	echo "ok - packages: installed # SKIP only root can mount a root to install them into"
elif selftests/lab/kernel.sh $kernel > /dev/null; then
	part unshare --mount --propagation private \
		selftests/packages/install.sh $kernel "$dir"
	part selftests/lab/lab.sh -k $kernel -t 400 -o "$dir/lab" -d "$dir/installed" -- \
		"$root/selftests/packages/lab.sh" "$dir/installed"
else
	echo "not ok - packages: kernel $kernel to build for"
	failed=$((failed + 1))
fi
[ "$failed" -eq 0 ]
