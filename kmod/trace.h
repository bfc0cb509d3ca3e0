/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints: one for each stage, under events/vmdedup/ in tracefs. Below
 * every layer, because each of them reports; api/trace.c defines them.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vmdedup

#if !defined(VMDEDUP_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define VMDEDUP_TRACE_H

#include <linux/tracepoint.h>

/* A chunk was walked and its pages matched. */
TRACE_EVENT(vmdedup_scan,
	TP_PROTO(u64 region, u64 vpn, unsigned int pages, unsigned int jobs),
	TP_ARGS(region, vpn, pages, jobs),
	TP_STRUCT__entry(
		__field(u64, region)
		__field(u64, vpn)
		__field(unsigned int, pages)
		__field(unsigned int, jobs)
	),
	TP_fast_assign(
		__entry->region = region;
		__entry->vpn = vpn;
		__entry->pages = pages;
		__entry->jobs = jobs;
	),
	TP_printk("region=%llu vpn=%#llx pages=%u jobs=%u", __entry->region,
		  __entry->vpn, __entry->pages, __entry->jobs)
);

/* A run was unmapped for so long, to merge it. */
TRACE_EVENT(vmdedup_merge,
	TP_PROTO(u64 region, u64 vpn, unsigned int pages, u64 ns),
	TP_ARGS(region, vpn, pages, ns),
	TP_STRUCT__entry(
		__field(u64, region)
		__field(u64, vpn)
		__field(unsigned int, pages)
		__field(u64, ns)
	),
	TP_fast_assign(
		__entry->region = region;
		__entry->vpn = vpn;
		__entry->pages = pages;
		__entry->ns = ns;
	),
	TP_printk("region=%llu vpn=%#llx pages=%u ns=%llu", __entry->region,
		  __entry->vpn, __entry->pages, __entry->ns)
);

/* A page that was to be merged was not: enum vmdedup_skip tells why. */
TRACE_EVENT(vmdedup_skip,
	TP_PROTO(u64 region, u64 vpn, unsigned int reason),
	TP_ARGS(region, vpn, reason),
	TP_STRUCT__entry(
		__field(u64, region)
		__field(u64, vpn)
		__field(unsigned int, reason)
	),
	TP_fast_assign(
		__entry->region = region;
		__entry->vpn = vpn;
		__entry->reason = reason;
	),
	TP_printk("region=%llu vpn=%#llx reason=%u", __entry->region,
		  __entry->vpn, __entry->reason)
);

/* A region's merged pages were given private copies. */
TRACE_EVENT(vmdedup_unmerge,
	TP_PROTO(u64 region, u64 pages, int err),
	TP_ARGS(region, pages, err),
	TP_STRUCT__entry(
		__field(u64, region)
		__field(u64, pages)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->region = region;
		__entry->pages = pages;
		__entry->err = err;
	),
	TP_printk("region=%llu pages=%llu err=%d", __entry->region,
		  __entry->pages, __entry->err)
);

/* A pass over all regions ended. */
TRACE_EVENT(vmdedup_pass,
	TP_PROTO(u64 scanned, u64 merged, u64 zero),
	TP_ARGS(scanned, merged, zero),
	TP_STRUCT__entry(
		__field(u64, scanned)
		__field(u64, merged)
		__field(u64, zero)
	),
	TP_fast_assign(
		__entry->scanned = scanned;
		__entry->merged = merged;
		__entry->zero = zero;
	),
	TP_printk("scanned=%llu merged=%llu zero=%llu", __entry->scanned,
		  __entry->merged, __entry->zero)
);

#endif /* VMDEDUP_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
