#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The Debian packages that the project needs, and nothing else knows them.
#
#   packages.sh build|deb|demo|check|debug     make sure that the group is installed
#   packages.sh -l build|deb|demo|check|debug  only list it
#
# Everything there: silent and fast.  Something missing: root installs it,
# anybody else is told the command and gets exit status 1.
set -euo pipefail

# What compiling the module, the command and the lab's programs takes.
build=(
	gcc
	libc6-dev
	make
	kmod
	dpkg-dev
	xz-utils
	zstd
	libelf1
	pahole
	libjson-c-dev
	libncurses-dev
	libnl-genl-3-dev
	libxxhash-dev
	pkg-config
)

# What building Debian packages takes on top.
deb=(
	build-essential
	debhelper
	dh-dkms
	libncurses-dev
	libnl-3-dev
	libnl-genl-3-dev
	systemd
	udev
)

# What booting the lab with guests takes on top.
demo=(
	busybox-static
	ca-certificates
	cpio
	procps
	qemu-system-x86
	util-linux
)

# What only the tests and the linters take.
check=(
	clang
	dkms
	libclang-rt-dev
	libcmocka-dev
	libfuse3-dev
	libnl-genl-3-dev
	liburing-dev
	lintian
	mandoc
	openssl
	perl
	python3-jsonschema
	python3-yaml
	shellcheck
	sparse
)

usage()
{
	echo "usage: packages.sh [-l] build|deb|demo|check|debug" >&2
	exit 1
}

# What building a kernel takes.
debug=(
	bc
	bison
	flex
	libelf-dev
	libssl-dev
	rsync
)

list=0
if [ "${1-}" = -l ]; then
	list=1
	shift
fi
[ $# -eq 1 ] || usage

case $1 in
build)	want=("${build[@]}") ;;
deb)	want=("${build[@]}" "${deb[@]}") ;;
demo)	want=("${build[@]}" "${demo[@]}") ;;
check)	want=("${build[@]}" "${deb[@]}" "${demo[@]}" "${check[@]}") ;;
debug)	want=("${build[@]}" "${debug[@]}") ;;
*)	usage ;;
esac

# Debian 13 names a few of them differently.
# shellcheck source=/dev/null
release=$(. /etc/os-release && echo "${VERSION_ID:-12}")
if [ "${release%%.*}" -ge 13 ]; then
	want=("${want[@]/%libelf1/libelf1t64}")
	want=("${want[@]/%pkg-config/pkgconf}")
	want=("${want[@]/%udev/systemd-dev}")
fi

if [ $list = 1 ]; then
	printf '%s\n' "${want[@]}"
	exit 0
fi

# dpkg-query fails when it does not know one of them, which is no news here.
have=" $({ dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${want[@]}" 2>/dev/null || true; } |
	sed -n 's/^installed //p' | tr '\n' ' ')"
missing=()
for p in "${want[@]}"; do
	case $have in
	*" $p "*) ;;
	*) missing+=("$p") ;;
	esac
done
[ ${#missing[@]} -gt 0 ] || exit 0

install=(apt-get install -y --no-install-recommends "${missing[@]}")
if [ "$(id -u)" -ne 0 ]; then
	echo "packages: missing; as root, run:" >&2
	echo "apt-get update && ${install[*]}" >&2
	exit 1
fi

echo "packages: installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { apt-get update && "${install[@]}"; } </dev/null >"$log" 2>&1; then
	tail -n 20 "$log" >&2
	echo "packages: failed: ${install[*]}" >&2
	exit 1
fi
