# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# The module under test, to be sourced.

# Without starting a program for it: that is slow in the lab.
exec {never}<> <(:)
nap()
{
	read -rt "$1" -u "$never" || :
}

# load MODULE: insert it, and wait for its device.
load()
{
	insmod "$1" || return 1
	for _ in $(seq 50); do
		[ ! -c /dev/vmdedup ] || return 0
		nap 0.1
	done
	return 1
}
