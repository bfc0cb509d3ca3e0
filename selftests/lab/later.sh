#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Debian's later release, for what this machine's own does not have: newer
# kernels, a newer QEMU. Nothing of it is installed.
#
#   later.sh     prints the path of an apt configuration, to be put in
#                APT_CONFIG: the mirror of this machine's own sources, other
#                suites, and all of apt's state below build/
#
# Fails, and says why, if the mirror does not have them or is not reachable.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=${BUILD:-$(cd "$here/../.." && pwd)/build}
suites=(trixie trixie-backports)
# Lists are not fetched again for so many minutes.
fresh=720

state=$build/apt/later
config=$state/apt.conf

die()
{
	echo "later.sh: $*" >&2
	exit 1
}

mirror()
{
	# shellcheck disable=SC2016 # apt's own variables
	apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)' \
		'Created-By: Packages' 2>/dev/null |
		sed -n 's/^Debian|Debian|main|//p' | head -n 1
}

configure()
{
	local uri=$1 suite

	mkdir -p "$state"/{lists/partial,cache/archives/partial,sources}
	# As if nothing was installed: what is unpacked brings its own libraries.
	: >"$state/status"
	for suite in "${suites[@]}"; do
		echo "deb $uri $suite main"
	done >"$state/sources/later.list"
	cat >"$config" <<-END
	Dir::State "$state";
	Dir::State::lists "$state/lists";
	Dir::State::status "$state/status";
	Dir::Cache "$state/cache";
	Dir::Etc::SourceList "/dev/null";
	Dir::Etc::SourceParts "$state/sources";
	APT::Default-Release "";
	APT::Install-Recommends "0";
	APT::Sandbox::User "root";
	END
}

mkdir -p "$build/apt"
exec 9>"$build/apt/later.lock"
flock 9
if [ -z "$(find "$state/updated" -mmin "-$fresh" 2>/dev/null)" ]; then
	uri=$(mirror) || uri=''
	[ -n "$uri" ] || die "this machine's apt sources name no Debian mirror; run apt-get update"
	configure "$uri"
	said=$(APT_CONFIG=$config apt-get -qq -o Acquire::Retries=1 \
		-o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 \
		-o APT::Update::Error-Mode=any update 2>&1) ||
		die "Debian's later release cannot be had: ${said##*$'\n'}"
	touch "$state/updated"
fi
echo "$config"
