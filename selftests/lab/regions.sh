# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What `vmdedup --pretty status` says of regions, to be sourced.

# ranges_of [PID]...: the regions of these processes, or all, as the oracle wants
# them; reads the status.
ranges_of()
{
	local line value start='' length=''

	while IFS= read -r line; do
		[[ $line =~ \"(start|length|pid)\":\ ([0-9]+) ]] || continue
		value=${BASH_REMATCH[2]}
		case ${BASH_REMATCH[1]} in
		start)	start=$value ;;
		length)	length=$value ;;
		pid)	[ $# -gt 0 ] && [[ " $* " != *" $value "* ]] ||
				printf '%d:%x-%x\n' "$value" "$start" \
					$((start + length)) ;;
		esac
	done
}
