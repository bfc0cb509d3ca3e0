#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The linters, each one test: checkpatch --strict, sparse on both kernels,
# the shell linter, mandoc, and a few rules of our own. Prints TAP.
set -uo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${BUILD:-$root/build}
cd "$root" || exit 1

count=0 failed=0

# tap NAME COMMAND...: ok if the command succeeds; its output explains if not.
tap()
{
	local name=$1 out

	shift
	count=$((count + 1))
	if out=$("$@" 2>&1); then
		echo "ok $count lint: $name"
	else
		failed=$((failed + 1))
		echo "not ok $count lint: $name"
		printf '%s\n' "$out" | sed 's/^/# /' | head -n 60
	fi
}

# Exceptions: list macros ("X-macros") and macros that define functions are not
# statements, and one list for several uses leaves arguments unused; CamelCase
# is how page flags are called; "volatile" is a reason's name. TRACE_EVENT() has
# an alignment of its own, as in the kernel.
checkpatch()
{
	local src list

	src=$(selftests/lab/kernel.sh source 6.12 2> /dev/null) || return 1
	list=MACRO_ARG_UNUSED,COMPLEX_MACRO,MACRO_ARG_REUSE,TRAILING_SEMICOLON
	list=$list,MULTISTATEMENT_MACRO_USE_DO_WHILE,CAMELCASE,VOLATILE
	git ls-files 'kmod/*.[ch]' 'include/*.h' | grep -v '^kmod/trace.h$' |
	xargs "$src/scripts/checkpatch.pl" --no-tree --strict --quiet \
		--terse --show-types --no-summary --ignore "$list" -f &&
	"$src/scripts/checkpatch.pl" --no-tree --strict --quiet --terse \
		--show-types --no-summary \
		--ignore "$list,PARENTHESIS_ALIGNMENT,OPEN_ENDED_LINE" -f kmod/trace.h
}

# sparse cannot be told that a function takes a lock if it returns true.
sparse()
{
	local dir=$build/sparse/$1

	rm -rf "$dir"
	ALLOW="context imbalance in 'vmdedup_table_(un)?lock'" \
		selftests/build-module.sh "$1" "$dir" VMDEDUP_DEBUG=1 C=2 CHECK=sparse
}

shells()
{
	git grep -lIE '^#!(/usr)?/bin/(env )?(ba|da)?sh' |
		xargs shellcheck -x -P SCRIPTDIR
}

manuals()
{
	git ls-files -z 'Documentation/man/*' |
		xargs -0 mandoc -Tlint -W warning
}

# Layers point down only: core <- mm <- scan <- api; compat below all. What is in
# a module of its own sees the engine through kapi.h, and may use the pure core.
layers()
{
	! grep -nE '#include "\.\./(mm|scan|api|kvm)/' kmod/core/*.[ch] &&
	! grep -nE '#include "\.\./(scan|api|kvm)/' kmod/mm/*.[ch] &&
	! grep -nE '#include "\.\./(api|kvm)/' kmod/scan/*.[ch] &&
	! grep -nE '#include "\.\./kvm/' kmod/api/*.[ch] &&
	! grep -nE '#include "\.\./' kmod/kvm/*.[ch] |
		grep -vE '"\.\./(api/kapi|core/ranges)\.h"' &&
	! grep -nE '#include <' kmod/core/*.[ch] | grep -v core/gate.h |
		grep -v '<uapi/linux/vmdedup'
}

# Kernel versions are nobody's business but compat's, and there probed.
versions()
{
	! grep -nE 'LINUX_VERSION_CODE|KERNEL_VERSION' -r kmod include
}

# Each counter and tunable is documented.
abi()
{
	local doc=Documentation/ABI/testing/sysfs-class-misc-vmdedup name missing=0
	local kvm=Documentation/ABI/testing/sysfs-module-vmdedup_kvm

	for name in $(selftests/stat-names.sh); do
		grep -qE "^(What:)?[[:space:]]*/sys/class/misc/vmdedup/$name\$" "$doc" ||
			{ echo "$name is not in $doc"; missing=1; }
	done
	for name in $(selftests/stat-names.sh kvm); do
		grep -qE "/sys/module/vmdedup_kvm/parameters/$name\$" "$kvm" ||
			{ echo "$name is not in $kvm"; missing=1; }
	done
	return $missing
}

# The netlink interface is what its spec says, and that a spec.
netlink_spec()
{
	local src

	src=$(selftests/lab/kernel.sh source 6.12 2> /dev/null) || return 1
	selftests/netlink-spec.py "$src/Documentation/netlink/genetlink-legacy.yaml"
}

tap 'checkpatch --strict' checkpatch
for version in 6.1 6.12; do
	tap "sparse, $version" sparse "$version"
done
tap shellcheck shells
tap 'mandoc -Tlint' manuals
tap 'layers include downwards only' layers
tap 'no kernel version tests' versions
tap 'sysfs files are documented' abi
tap 'netlink spec, header and code agree' netlink_spec
echo "1..$count"
[ "$failed" -eq 0 ]
