// SPDX-License-Identifier: LGPL-2.1
/* From /proc/PID/pagemap and mem to pages. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "estimate_private.h"

#define WINDOW		VMDEDUP_ESTIMATE_HUGE	/* pages read at a time */
#define WINDOW_BYTES	(WINDOW * EST_PAGE)
#define HOLE_ENTRIES	16384			/* of pagemap, where nothing is */

#define PM_PRESENT	(1ULL << 63)
#define PM_SWAP		(1ULL << 62)
#define PM_UFFD_WP	(1ULL << 57)
#define PM_ALONE	(1ULL << 56)
#define PM_PFN		((1ULL << 55) - 1)

#define KPF_HEAD	(1ULL << 15)
#define KPF_POISONED	(1ULL << 19)
#define KPF_KSM		(1ULL << 21)
#define KPF_THP		(1ULL << 22)
#define KPF_ZERO_PAGE	(1ULL << 24)

/**
 * struct reader - where it reads
 * @est: the estimate
 * @proc: index of the process
 * @mapping: the mapping
 * @mem: /proc/PID/mem
 * @pagemap: /proc/PID/pagemap
 * @kpageflags: /proc/kpageflags, or -1
 * @ksm_known: its flag for KSM's pages means something
 * @addr: of the window
 * @nr: pages in it
 * @huge: it is a huge page
 * @entries: of pagemap
 * @flags: of kpageflags
 * @content: WINDOW_BYTES
 * @holes: HOLE_ENTRIES of pagemap
 * @done: pages looked at
 * @total: pages to look at
 * @pilot: pages are only looked at for that; or NULL
 * @progress: to tell, or NULL
 * @data: for @progress
 */
struct reader {
	struct vmdedup_estimate *est;
	uint32_t proc;
	const struct est_mapping *mapping;
	int mem;
	int pagemap;
	int kpageflags;
	bool ksm_known;
	uint64_t addr;
	size_t nr;
	bool huge;
	uint64_t entries[WINDOW];
	uint64_t flags[WINDOW];
	unsigned char *content;
	uint64_t *holes;
	uint64_t done;
	uint64_t total;
	struct est_pilot *pilot;
	vmdedup_estimate_progress_t progress;
	void *data;
};

static struct vmdedup_estimate_guest *guest_of(const struct reader *reader)
{
	return &reader->est->procs[reader->proc].guest;
}

/* Reads all or nothing. */
static bool read_at(int fd, void *buf, size_t len, uint64_t offset)
{
	size_t done = 0;
	ssize_t got;

	while (done < len) {
		got = pread(fd, (char *)buf + done, len - done, offset + done);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		done += got;
	}
	return true;
}

static uint64_t pfn_of(const struct reader *reader, size_t i)
{
	return reader->entries[i] & PM_PRESENT ? reader->entries[i] & PM_PFN : 0;
}

/* The flags of all frames, those next to each other at once. */
static void read_flags(struct reader *reader)
{
	size_t i, run;
	uint64_t pfn;

	memset(reader->flags, 0, reader->nr * sizeof(reader->flags[0]));
	if (reader->kpageflags < 0)
		return;
	for (i = 0; i < reader->nr; i += run) {
		pfn = pfn_of(reader, i);
		for (run = 1; i + run < reader->nr && pfn_of(reader, i + run) == pfn + run; run++)
			;
		if (!pfn) {
			run = 1;
			continue;
		}
		/* Memory may be unplugged meanwhile: nothing is known of it then. */
		if (!read_at(reader->kpageflags, &reader->flags[i], run * 8, pfn * 8))
			memset(&reader->flags[i], 0, run * 8);
	}
}

/*
 * Whether the window is one huge page. What is in the page tables cannot be
 * seen; but of a huge page that is mapped in pieces hardly ever are all 512 in
 * place.
 */
static bool is_huge(const struct reader *reader)
{
	uint64_t first = pfn_of(reader, 0);
	size_t i;

	if (!reader->mapping->huge || reader->nr != WINDOW || !first || first % WINDOW ||
	    (reader->flags[0] & (KPF_THP | KPF_HEAD | KPF_ZERO_PAGE)) != (KPF_THP | KPF_HEAD))
		return false;
	for (i = 0; i < WINDOW; i++) {
		if (pfn_of(reader, i) != first + i)
			return false;
	}
	return true;
}

static void skip(const struct reader *reader, uint32_t reason)
{
	guest_of(reader)->skipped[reason]++;
}

/* Only in mappings that can be merged; in others, all is as if it could. */
static bool is_fixed(const struct reader *reader, size_t i)
{
	if (reader->mapping->reason != VMDEDUP_SKIP_NONE)
		return false;
	if (reader->flags[i] & KPF_ZERO_PAGE)
		return false;
	if (reader->ksm_known && reader->flags[i] & KPF_KSM)
		skip(reader, VMDEDUP_SKIP_KSM);
	else if (!reader->huge && reader->flags[i] & KPF_THP)
		skip(reader, VMDEDUP_SKIP_HUGE_PART);
	else if (reader->entries[i] & PM_UFFD_WP)
		skip(reader, VMDEDUP_SKIP_UFFD);
	else
		return false;
	return true;
}

static int add_page(struct reader *reader, size_t i, size_t huge)
{
	struct est_page page = {
		.proc		= reader->proc,
		.pfn		= pfn_of(reader, i),
		.huge		= huge,
		.alone		= reader->entries[i] & PM_ALONE,
		.fixed		= is_fixed(reader, i),
		.zero_page	= reader->flags[i] & KPF_ZERO_PAGE,
	};

	return est_add_page(reader->est, &page, reader->content + i * EST_PAGE);
}

/* Whether its content may be read, which must not change anything. */
static bool is_readable(struct reader *reader, size_t i)
{
	return reader->entries[i] & PM_PRESENT && !(reader->flags[i] & KPF_POISONED);
}

static void count_absent(struct reader *reader)
{
	bool counts = reader->mapping->reason == VMDEDUP_SKIP_NONE;
	size_t i;

	for (i = 0; i < reader->nr; i++) {
		if (reader->entries[i] & PM_PRESENT) {
			if (reader->flags[i] & KPF_POISONED && counts)
				skip(reader, VMDEDUP_SKIP_POISONED);
		} else if (reader->entries[i] & PM_SWAP && counts) {
			skip(reader, VMDEDUP_SKIP_SWAPPED);
		}
	}
}

/* Pages @i to @i + @run; one by one if it does not go at once. */
static int read_run(struct reader *reader, size_t i, size_t run, size_t huge)
{
	uint64_t addr = reader->addr + i * EST_PAGE;
	bool whole;
	int err = 0;

	whole = read_at(reader->mem, reader->content + i * EST_PAGE, run * EST_PAGE, addr);
	for (; run && !err; i++, run--, addr += EST_PAGE) {
		if (!whole && !read_at(reader->mem, reader->content + i * EST_PAGE,
				       EST_PAGE, addr))
			guest_of(reader)->unreadable++;
		else
			err = add_page(reader, i, huge);
	}
	return err;
}

static int read_pages(struct reader *reader)
{
	size_t i, run, huge = 0;
	int err = 0;

	reader->huge = is_huge(reader);
	if (reader->huge) {
		guest_of(reader)->huge++;
		/* A huge page that is shared after a fork counts as its pages. */
		if (reader->entries[0] & PM_ALONE) {
			huge = est_add_huge(reader->est, reader->proc);
			if (!huge)
				return -ENOMEM;
		}
	}
	for (i = 0; i < reader->nr && !err; i += run) {
		run = 1;
		if (!is_readable(reader, i))
			continue;
		while (i + run < reader->nr && is_readable(reader, i + run))
			run++;
		reader->done += run;
		err = read_run(reader, i, run, huge);
	}
	return err;
}

static void pilot_window(struct reader *reader)
{
	uint64_t addr;
	size_t i;

	for (i = 0; i < reader->nr; i++) {
		addr = reader->addr + i * EST_PAGE;
		if (reader->entries[i] & PM_PRESENT &&
		    est_pilot_takes(reader->pilot, reader->est, reader->proc, addr) &&
		    read_at(reader->mem, reader->content, EST_PAGE, addr))
			est_pilot_add(reader->pilot, est_hash(reader->est, reader->content));
	}
}

static int read_window(struct reader *reader)
{
	if (reader->pilot) {
		pilot_window(reader);
		return 0;
	}
	read_flags(reader);
	count_absent(reader);
	return read_pages(reader);
}

static bool is_hole(const struct reader *reader)
{
	size_t i;

	for (i = 0; i < reader->nr; i++) {
		if (reader->entries[i] & (PM_PRESENT | PM_SWAP))
			return false;
	}
	return true;
}

static int tell(struct reader *reader)
{
	if (!reader->progress || reader->progress(reader->data, reader->done, reader->total))
		return 0;
	return -EINTR;
}

/* Returns the first address from @addr on at which there is something. */
static uint64_t skip_hole(struct reader *reader, uint64_t addr, uint64_t end)
{
	size_t i, n;

	while (addr < end) {
		n = (end - addr) / EST_PAGE < HOLE_ENTRIES ?
			(end - addr) / EST_PAGE : HOLE_ENTRIES;
		if (!read_at(reader->pagemap, reader->holes, n * 8, addr / EST_PAGE * 8))
			return addr;
		for (i = 0; i < n; i++) {
			if (reader->holes[i] & (PM_PRESENT | PM_SWAP))
				return addr + i * EST_PAGE;
		}
		if (tell(reader))
			return addr;
		addr += n * EST_PAGE;
	}
	return end;
}

static void set_window(struct reader *reader, uint64_t addr, uint64_t end)
{
	uint64_t stop = (addr / WINDOW_BYTES + 1) * WINDOW_BYTES;

	reader->addr = addr;
	reader->nr = ((stop < end ? stop : end) - addr) / EST_PAGE;
}

/* Returns -ESRCH when the process has gone. */
static int read_mapping(struct reader *reader)
{
	uint64_t addr = reader->mapping->start, end = reader->mapping->end;
	int err = 0;

	while (!err && addr < end) {
		addr = skip_hole(reader, addr, end);
		/* The whole of a huge page shall be in one window. */
		addr = addr / WINDOW_BYTES * WINDOW_BYTES;
		if (addr < reader->addr + reader->nr * EST_PAGE)
			addr = reader->addr + reader->nr * EST_PAGE;
		if (addr >= end)
			break;
		do {
			set_window(reader, addr, end);
			if (!read_at(reader->pagemap, reader->entries, reader->nr * 8,
				     addr / EST_PAGE * 8))
				return -ESRCH;
			err = read_window(reader);
			if (!err)
				err = tell(reader);
			addr += reader->nr * EST_PAGE;
		} while (!err && addr < end && !is_hole(reader));
	}
	return err;
}

static bool wanted(const struct vmdedup_estimate *est, const struct est_mapping *mapping)
{
	if (mapping->reason == VMDEDUP_SKIP_NONE)
		return true;
	return est->options.all_memory && mapping->reason != VMDEDUP_SKIP_SPECIAL;
}

static int read_proc(struct reader *reader)
{
	struct est_proc *proc = &reader->est->procs[reader->proc];
	size_t i;
	int err = 0;

	for (i = 0; i < proc->mappings.count && !err; i++) {
		reader->mapping = &proc->mappings.mappings[i];
		if (reader->mapping->reason != VMDEDUP_SKIP_NONE && !reader->pilot)
			proc->guest.skipped[reader->mapping->reason] += reader->mapping->present;
		if (!wanted(reader->est, reader->mapping))
			continue;
		reader->addr = reader->mapping->start;
		reader->nr = 0;
		err = read_mapping(reader);
	}
	return err;
}

static int open_and_read(struct reader *reader)
{
	pid_t pid = guest_of(reader)->pid;
	int err = 0;

	reader->mem = est_open(reader->est, pid, "mem");
	if (reader->mem < 0) {
		guest_of(reader)->gone = true;
		return 0;
	}
	reader->pagemap = est_open(reader->est, pid, "pagemap");
	if (reader->pagemap < 0) {
		guest_of(reader)->gone = true;
	} else {
		err = read_proc(reader);
		close(reader->pagemap);
	}
	close(reader->mem);
	/* The others are there all the same. */
	if (err == -ESRCH) {
		guest_of(reader)->gone = true;
		err = 0;
	}
	return err;
}

static uint64_t pages_to_read(const struct vmdedup_estimate *est)
{
	const struct est_mappings *list;
	uint64_t total = 0;
	size_t i, j;

	for (i = 0; i < est->nr_procs; i++) {
		list = &est->procs[i].mappings;
		for (j = 0; j < list->count; j++) {
			if (wanted(est, &list->mappings[j]))
				total += list->mappings[j].present;
		}
	}
	return total;
}

static uint64_t own_frame(const struct vmdedup_estimate *est, const void *page)
{
	int fd = est_open(est, getpid(), "pagemap");
	uint64_t entry = 0;

	if (fd < 0)
		return 0;
	if (!read_at(fd, &entry, sizeof(entry), (uintptr_t)page / EST_PAGE * 8))
		entry = 0;
	close(fd);
	return entry & PM_PRESENT ? entry & PM_PFN : 0;
}

/*
 * What can be learned from a page of one's own. Some kernels, 6.12 among them,
 * say of each anonymous page that it is KSM's.
 */
static void look_at_own(struct reader *reader)
{
	uint64_t pfn, flags;

	reader->content[0] = 1;
	pfn = own_frame(reader->est, reader->content);
	reader->est->frames_known = pfn && reader->kpageflags >= 0;
	reader->ksm_known = reader->est->frames_known &&
			    read_at(reader->kpageflags, &flags, sizeof(flags), pfn * 8) &&
			    !(flags & KPF_KSM);
}

static int read_all(struct reader *reader)
{
	int err = 0;

	for (reader->proc = 0; reader->proc < reader->est->nr_procs && !err; reader->proc++)
		err = open_and_read(reader);
	return err;
}

static int run_pilot(struct reader *reader)
{
	struct est_pilot pilot;
	int err;

	/* All contents will fit. */
	if (reader->total <= est_table_room(&reader->est->table))
		return 0;
	err = est_pilot_init(&pilot, reader->total);
	if (err)
		return err;
	reader->pilot = &pilot;
	err = read_all(reader);
	reader->pilot = NULL;
	est_pilot_finish(&pilot, &reader->est->table);
	return err;
}

int est_read(struct vmdedup_estimate *est, vmdedup_estimate_progress_t progress, void *data)
{
	struct reader *reader = calloc(1, sizeof(*reader));
	int err = -ENOMEM;

	if (!reader)
		return -ENOMEM;
	reader->est = est;
	reader->progress = progress;
	reader->data = data;
	reader->total = pages_to_read(est);
	reader->holes = calloc(HOLE_ENTRIES, 8);
	reader->content = aligned_alloc(EST_PAGE, WINDOW_BYTES);
	if (!reader->content || !reader->holes)
		goto out;
	reader->kpageflags = est_open(est, 0, "kpageflags");
	look_at_own(reader);
	err = run_pilot(reader);
	if (!err)
		err = read_all(reader);
	if (reader->kpageflags >= 0)
		close(reader->kpageflags);
out:
	free(reader->content);
	free(reader->holes);
	free(reader);
	return err;
}
