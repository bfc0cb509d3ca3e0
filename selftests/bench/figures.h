/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All figures of the benchmark, in the order of its table:
 *
 *	SECTION(title)
 *	FIGURE(name, unit, kind, text)
 *
 * Kinds: RATIO is measured for both, and KSM's value divided by vmdedup's is the
 * ratio, larger is better for vmdedup. BOTH is measured for both, OURS only for
 * vmdedup, THEIRS only for KSM, NEITHER without any scanner.
 */
#ifndef VMDEDUP_BENCH_FIGURES_H
#define VMDEDUP_BENCH_FIGURES_H

#define FIGURES(SECTION, FIGURE)					\
	SECTION("Processes with 4 KiB pages, from nothing merged to 99 % of what is possible") \
	FIGURE(converge_wall, "s", RATIO, "time, as fast as it can")	\
	FIGURE(converge_cpu, "s", RATIO, "  CPU time of its threads")	\
	FIGURE(converge_busy, "s", RATIO, "  of the machine but the processes") \
	FIGURE(converge_saved, "%", BOTH, "  saved by then")		\
	FIGURE(request_wall, "s", OURS, "time, merging on request")	\
	FIGURE(request_cpu, "s", OURS, "  CPU time of who asks")	\
	FIGURE(request_saved, "%", OURS, "  saved")			\
	FIGURE(default_converge_wall, "s", RATIO, "time, at defaults, a quarter of it") \
	FIGURE(default_converge_cpu, "s", RATIO, "  CPU time")		\
	FIGURE(workers_speedup, "x", OURS, "two workers, times as fast as one") \
	SECTION("The same with huge pages, all that pay split")		\
	FIGURE(huge_converge_wall, "s", RATIO, "time, as fast as it can") \
	FIGURE(huge_converge_cpu, "s", RATIO, "  CPU time of its threads") \
	FIGURE(huge_converge_saved, "%", BOTH, "  saved by then")	\
	SECTION("Saving against huge pages: split if N of 512 pages are saved") \
	FIGURE(huge_saved_ksm, "%", THEIRS, "KSM: saved")		\
	FIGURE(huge_kept_ksm, "%", THEIRS, "  huge pages kept")		\
	FIGURE(huge_saved_1, "%", OURS, "N = 1: saved")			\
	FIGURE(huge_kept_1, "%", OURS, "  huge pages kept")		\
	FIGURE(huge_saved_64, "%", OURS, "N = 64: saved")		\
	FIGURE(huge_kept_64, "%", OURS, "  huge pages kept")		\
	FIGURE(huge_saved_128, "%", OURS, "N = 128: saved")		\
	FIGURE(huge_kept_128, "%", OURS, "  huge pages kept")		\
	FIGURE(huge_saved_256, "%", OURS, "N = 256: saved")		\
	FIGURE(huge_kept_256, "%", OURS, "  huge pages kept")		\
	FIGURE(huge_saved_384, "%", OURS, "N = 384: saved")		\
	FIGURE(huge_kept_384, "%", OURS, "  huge pages kept")		\
	SECTION("Steady state: a pass over memory that does not change")	\
	FIGURE(steady_unique, "us/page", RATIO, "unique pages, as fast as it can") \
	FIGURE(steady_merged, "us/page", RATIO, "merged pages")		\
	FIGURE(default_idle_unique, "%CPU", RATIO, "share of a CPU, unique, at defaults") \
	FIGURE(default_idle_merged, "%CPU", RATIO, "share of a CPU, merged")	\
	FIGURE(limited_10, "%CPU", OURS, "cpu_limit 10, two workers") \
	SECTION("Metadata")						\
	FIGURE(metadata_unique, "B/page", RATIO, "unique pages")	\
	FIGURE(metadata_unique_all, "B/page", BOTH, "  by the kernel's whole account") \
	FIGURE(metadata_frame, "B/frame", RATIO, "shared frames, a sharer a process") \
	FIGURE(metadata_frame_all, "B/frame", BOTH, "  by the kernel's whole account") \
	SECTION("Writing to registered memory while it is scanned")	\
	FIGURE(touch_none_p50, "us", NEITHER, "no scanner, median")	\
	FIGURE(touch_none_p99, "us", NEITHER, "  99 %")			\
	FIGURE(touch_none_p999, "us", NEITHER, "  99.9 %")		\
	FIGURE(touch_none_max, "us", NEITHER, "  longest")		\
	FIGURE(touch_unmerged_p50, "us", RATIO, "pages that are not merged, median") \
	FIGURE(touch_unmerged_p99, "us", RATIO, "  99 %")		\
	FIGURE(touch_unmerged_p999, "us", RATIO, "  99.9 %")		\
	FIGURE(touch_unmerged_max, "us", RATIO, "  longest")		\
	FIGURE(touch_any_p50, "us", RATIO, "any pages, median")		\
	FIGURE(touch_any_p99, "us", RATIO, "  99 %")			\
	FIGURE(touch_any_p999, "us", RATIO, "  99.9 %")			\
	FIGURE(touch_any_max, "us", RATIO, "  longest")			\
	FIGURE(cow_p50, "us", RATIO, "merged page, scanner stopped, median") \
	FIGURE(cow_p99, "us", RATIO, "  99 %")				\
	FIGURE(cow_zero_p50, "us", RATIO, "zero page, scanner stopped, median") \
	FIGURE(cow_zero_p99, "us", RATIO, "  99 %")			\
	SECTION("Four running KVM guests, to 95 % of what is possible")	\
	FIGURE(guest_wall, "s", RATIO, "time, as fast as it can")	\
	FIGURE(guest_cpu, "s", RATIO, "  CPU time of its threads")	\
	FIGURE(guest_saved, "%", BOTH, "  saved by then")

#endif /* VMDEDUP_BENCH_FIGURES_H */
