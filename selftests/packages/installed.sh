#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Run by install.sh in the root to install into: installs, tests, removes.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tap.sh
. "$here/tap.sh"

apt()
{
	apt-get -y -q --no-install-recommends -o APT::Sandbox::User=root "$@"
}

# As the README says it.
as_told()
{
	cd "$DEBS" && apt install ./vmdedup*.deb
}

version()
{
	[ "$(vmdedup --version)" = "vmdedup $VERSION" ] || { vmdedup --version; return 1; }
}

not_loaded()
{
	local out status=0

	out=$(vmdedup status 2>&1) || status=$?
	echo "$out, exit status $status"
	[ $status -eq 2 ] && [[ $out == *"not loaded"* ]]
}

units()
{
	local out status=0

	out=$(systemd-analyze verify vmdedup.service vmdedup-metrics.service \
		vmdedup-metrics.timer 2>&1) || status=$?
	echo "$out"
	[ $status -eq 0 ] && [ -z "$out" ]
}

enabled()
{
	systemctl is-enabled vmdedup.service vmdedup-metrics.timer
}

# hardened UNIT TENTHS: what systemd makes of its exposure: 0 none, 100 all.
hardened()
{
	systemd-analyze security --offline=true --threshold="$2" --no-pager "$1"
}

built()
{
	dkms status -m vmdedup -v "$VERSION" -k "$RELEASE"
	[[ $(dkms status -m vmdedup -v "$VERSION" -k "$RELEASE") == *installed* ]]
}

# As depmod and modprobe see it: all that loading needs is there.
modprobes()
{
	local module

	modprobe -S "$RELEASE" --show-depends vmdedup_kvm || return 1
	for module in vmdedup vmdedup_kvm; do
		modinfo -k "$RELEASE" $module || return 1
		[[ $(modinfo -k "$RELEASE" -F vermagic $module) == "$RELEASE "* ]] || return 1
		[ "$(modinfo -k "$RELEASE" -F version $module)" = "$VERSION" ] || return 1
	done
}

# With a key made at the first use, which is what the MOK manager enrols.
signed()
{
	local module serial

	serial=$(openssl x509 -inform DER -in /var/lib/dkms/mok.pub -noout -serial |
		sed 's/serial=//; s/../&:/g; s/:$//')
	[ -n "$serial" ] || return 1
	for module in vmdedup vmdedup_kvm; do
		modinfo -k "$RELEASE" $module
		[ "$(modinfo -k "$RELEASE" -F sig_key $module)" = "$serial" ] || return 1
	done
}

manuals()
{
	local page

	for page in 4 8; do
		man -w $page vmdedup || return 1
	done
}

completion()
{
	# shellcheck source=/dev/null
	. /usr/share/bash-completion/completions/vmdedup && complete -p vmdedup
}

library()
{
	cd "$DEBS" && apt install ./libvmdedup*.deb || return 1
	cat > /tmp/try.c <<-END
	#include <stdio.h>
	#include <vmdedup/vmdedup.h>

	int main(void)
	{
		struct vmdedup_ctx *ctx;

		if (vmdedup_new(&ctx))
			return 1;
		printf("%d\n", vmdedup_open(ctx));
		vmdedup_free(ctx);
		return 0;
	}
	END
	# shellcheck disable=SC2046 # several words
	gcc -Wall -Werror -o /tmp/try /tmp/try.c $(pkg-config --cflags --libs libvmdedup) &&
	[ "$(/tmp/try)" = -2 ] && grep -q libvmdedup.so.0 <<< "$(ldd /tmp/try)"
}

# What the lab is to run, with what depmod wrote of this kernel.
keep()
{
	local list=/tmp/list

	mkdir -p "$OUT/installed" &&
	dpkg -L vmdedup libvmdedup0 | while read -r path; do
		[ -d "$path" ] || echo "$path"
	done > $list && find /etc/systemd/system -lname '*vmdedup*' >> $list &&
	find "/lib/modules/$RELEASE/updates" -name 'vmdedup*' >> $list &&
	ls "/lib/modules/$RELEASE"/modules.* >> $list &&
	tar -c -T $list | tar -x -C "$OUT/installed"
}

upgrade()
{
	echo 'scan_rate = 1000' > /etc/vmdedup.conf
	cd "$DEBS" && apt install --reinstall ./vmdedup_*.deb &&
	grep -qx 'scan_rate = 1000' /etc/vmdedup.conf
}

purge()
{
	local left

	dpkg -L vmdedup vmdedup-dkms libvmdedup0 libvmdedup-dev > /tmp/files
	apt purge vmdedup vmdedup-dkms libvmdedup0 libvmdedup-dev || return 1
	left=$(while read -r path; do
		[ -d "$path" ] || [ ! -e "$path" ] || echo "$path"
	done < /tmp/files
	find /usr/src /var/lib/dkms /lib/modules /etc /var/lib/systemd \
		-path /etc/alternatives -prune -o -name '*vmdedup*' -print)
	[ -z "$left" ] || { echo "left: $left"; return 1; }
}

tap 'apt install ./vmdedup*.deb' as_told
tap 'vmdedup --version' version
tap 'vmdedup status says that the module is not loaded' not_loaded
tap 'systemd-analyze verify' units
tap 'the units are enabled' enabled
tap 'vmdedup.service is confined' hardened vmdedup.service 40
tap 'vmdedup-metrics.service is confined' hardened vmdedup-metrics.service 25
tap "dkms built for $RELEASE" built
tap 'modprobe finds both modules' modprobes
tap 'both are signed for Secure Boot' signed
tap 'man finds the pages' manuals
tap 'bash completion' completion
tap 'a program with libvmdedup' library
tap 'what was installed, for the lab' keep
tap 'an upgrade keeps the settings' upgrade
tap 'purged, nothing is left' purge
[ "$failed" -eq 0 ]
