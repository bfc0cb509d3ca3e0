# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's books, to be sourced: is all memory accounted for?

# vmstat KEY: a counter of /proc/vmstat, with what the CPUs keep to themselves.
vmstat()
{
	cat /proc/sys/vm/stat_refresh > /dev/null 2>&1 || true
	awk -v key="$1" '$1 == key { print $2 }' /proc/vmstat
}

# unexplained: pages handed out that no counter explains: not free, be it on the
# list of a CPU, not on an LRU list, not slab, page tables, stacks, per-CPU or
# vmalloc. Shared frames are of that kind, so one that is never freed shows here.
unexplained()
{
	cat /proc/sys/vm/stat_refresh > /dev/null 2>&1 || true
	awk '$1 == "count:" { percpu += $2; next }
	     { m[$1] = $2 }
	     END {
		rest = m["MemTotal:"] - m["MemFree:"] - m["Buffers:"] - \
			m["Cached:"] - m["SwapCached:"] - m["AnonPages:"] - \
			m["Slab:"] - m["KernelStack:"] - m["PageTables:"] - \
			m["SecPageTables:"] - m["Percpu:"] - m["VmallocUsed:"]
		print int(rest / 4) - percpu
	     }' /proc/zoneinfo /proc/meminfo
}

# settled COMMAND...: some of the kernel's work is put off; look until the
# figure stays.
settled()
{
	local last=x now i

	for i in 1 2 3 4 5 6; do
		now=$("$@")
		[ "$now" != "$last" ] || break
		last=$now
		[ "$i" = 6 ] || sleep 0.5
	done
	echo "$now"
}

# mem_free, slab: pages that are free, those that the CPUs keep at hand included;
# pages of unreclaimable slab.
mem_free()
{
	awk '$1 == "count:" { percpu += $2 }
	     $1 == "MemFree:" { free = $2 / 4 }
	     END { print int(free) + percpu }' /proc/zoneinfo /proc/meminfo
}

slab()
{
	awk '$1 == "SUnreclaim:" { print int($2 / 4) }' /proc/meminfo
}

# settle: until what is freed later (RCU, caches of the CPUs) has been freed.
settle()
{
	local old new=0 i

	for i in 1 2 3 4 5 6 7 8 9 10; do
		echo 3 > /proc/sys/vm/drop_caches
		old=$new
		new=$(mem_free)
		[ $((new - old)) -gt 64 ] || [ "$i" -lt 3 ] || break
		sleep 0.3
	done
}
