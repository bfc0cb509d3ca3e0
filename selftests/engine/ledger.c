// SPDX-License-Identifier: GPL-2.0
/*
 * The ledger, against what /proc/PID/pagemap, /proc/kpageflags and
 * /proc/kpagecount say of the same pages.
 */
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "nl.h"
#include "util.h"

/* Pages of a region: more than a page table has, and not at its borders. */
#define N 1300
#define KPF_ANON_BIT 12
/* The ledger is right at rest: how often to look whether it is, 10 ms apart. */
#define TRIES 6000

FIXTURE(ledger) {
	int fd;
	struct vn nl;
	struct peer peer;
	char *mem;
	uint64_t id;
	uint64_t peer_mem;
	uint64_t peer_id;
};

FIXTURE_SETUP(ledger)
{
	/* Before anything is merged: a child shares what its parent does. */
	ASSERT_EQ(0, peer_start(&self->peer));
	VD_SETUP(self->fd);
	ASSERT_EQ(0, vn_open(&self->nl));
	self->mem = pg_map(N);
	ASSERT_NE(NULL, self->mem);
	ASSERT_EQ(0, vd_register(self->fd, self->mem, N * PG, &self->id));
	self->peer_mem = peer_call(&self->peer, do_map, N, 0, 0);
	ASSERT_NE(0, self->peer_mem);
	self->peer_id = peer_call(&self->peer, do_register, self->peer_mem, N, 0);
	ASSERT_NE(0, self->peer_id);
}

FIXTURE_TEARDOWN(ledger)
{
	peer_stop(&self->peer);
	vn_close(&self->nl);
	vd_end(self->fd);
}

/* What a range is made of, without asking the module. */
static int truth(pid_t pid, const void *addr, size_t pages,
		 struct vn_ledger *ledger)
{
	uint64_t pfn[N];
	double saved = 0;
	int err = pm_pfns(pid, addr, pages, pfn);

	memset(ledger, 0, sizeof(*ledger));
	for (size_t i = 0; !err && i < pages; i++) {
		if (!pfn[i])
			continue;
		ledger->resident++;
		if (pfn_is_zero_page(pfn[i])) {
			ledger->zero++;
			saved += PG;
		} else if (kpage_flags(pfn[i]) & 1ULL << KPF_ANON_BIT) {
			ledger->unique++;
		} else {
			ledger->merged++;
			saved += PG - (double)PG / kpage_count(pfn[i]);
		}
	}
	ledger->saved_bytes = saved + 0.5;
	return err;
}

static bool same(const struct vn_ledger *a, const struct vn_ledger *b)
{
	long long off = a->saved_bytes - b->saved_bytes;

	return a->resident == b->resident && a->merged == b->merged &&
	       a->zero == b->zero && a->unique == b->unique &&
	       llabs(off) <= (long long)a->merged;
}

static void show(struct __test_metadata *_metadata, const char *what,
		 const struct vn_ledger *l)
{
	TH_LOG("%s: resident %llu merged %llu zero %llu unique %llu saved %llu",
	       what, (long long)l->resident, (long long)l->merged,
	       (long long)l->zero, (long long)l->unique,
	       (long long)l->saved_bytes);
}

/* At once if @patient is false: after a merge that was waited for. */
static void check_region(struct __test_metadata *_metadata, struct vn *nl,
			 uint64_t id, pid_t pid, bool patient)
{
	struct vn_region region;
	struct vn_ledger want;

	for (int i = 0; i < (patient ? TRIES : 1); i++) {
		ASSERT_EQ(0, vn_region(nl, id, &region));
		ASSERT_EQ(0, truth(pid, (void *)region.start,
				   region.length / PG, &want));
		if (same(&want, &region.ledger))
			break;
		usleep(10000);
	}
	EXPECT_TRUE(same(&want, &region.ledger)) {
		show(_metadata, "is", &want);
		show(_metadata, "ledger", &region.ledger);
	}
	EXPECT_EQ(region.ledger.resident, region.ledger.merged +
		  region.ledger.zero + region.ledger.unique);
}

/*
 * What guests have is what their regions have, and the host. COUNTERs go up
 * between one question and the next while anybody scans.
 */
static void check_sums(struct __test_metadata *_metadata, struct vn *nl)
{
	bool scanning = vd_get("run") == 1;
	struct vn_guest guest[8];
	struct vn_region region[8];
	struct vn_ledger sum = {}, sums = {};
	struct vn_stats stats;
	int guests, regions;
	long long off;

	ASSERT_EQ(0, vn_stats(nl, &stats));
	guests = vn_guests(nl, guest, 8);
	regions = vn_regions(nl, 0, region, 8);
	ASSERT_EQ(2, guests);
	ASSERT_EQ(2, regions);
	for (int i = 0; i < guests; i++) {
#define ADD(name, kind, what) sum.name += guest[i].ledger.name;
		VMDEDUP_LEDGER(ADD)
#undef ADD
	}
	for (int i = 0; i < regions; i++) {
#define ADD(name, kind, what) sums.name += region[i].ledger.name;
		VMDEDUP_LEDGER(ADD)
#undef ADD
	}
#define GAUGE true
#define COUNTER false
#define SAME(name, is_gauge, what) do {					\
	if ((is_gauge) || !scanning) {					\
		EXPECT_EQ(sum.name, sums.name);				\
	}								\
} while (0);
	VMDEDUP_LEDGER(SAME)
#undef SAME
#undef COUNTER
#undef GAUGE
	EXPECT_EQ(stats.pages_shared + stats.pages_sharing, sum.merged);
	EXPECT_EQ(stats.pages_zero, sum.zero);
	off = stats.saved_bytes - sum.saved_bytes;
	EXPECT_LE(llabs(off), (long long)sum.merged) {
		TH_LOG("saved %lld, of guests %lld", (long long)stats.saved_bytes,
		       (long long)sum.saved_bytes);
	}
}

/*
 * Of this process and the other: 300 pages that both have, 100 that only the
 * one has twice, 100 of one content, 100 zero, 200 unique; the rest is not there.
 */
static void fill_here(char *mem)
{
	pg_fill_range(mem, 300, 1);
	pg_fill_range(mem + 300 * PG, 100, 1000);
	pg_fill_range(mem + 400 * PG, 100, 1000);
	for (int i = 500; i < 600; i++)
		pg_fill(mem + i * PG, 2000);
	memset(mem + 600 * PG, 1, 100 * PG);
	memset(mem + 600 * PG, 0, 100 * PG);
	pg_fill_range(mem + 700 * PG, 200, 3000);
}

TEST_F(ledger, after_a_merge)
{
	struct vn_region region;
	struct vn_ledger l;

	fill_here(self->mem);
	peer_call(&self->peer, do_fill, self->peer_mem, 300, 1);
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	check_region(_metadata, &self->nl, self->id, 0, false);
	check_region(_metadata, &self->nl, self->peer_id, self->peer.pid, false);
	check_sums(_metadata, &self->nl);

	ASSERT_EQ(0, vn_region(&self->nl, self->id, &region));
	l = region.ledger;
	EXPECT_EQ(900, l.resident);
	EXPECT_EQ(600, l.merged);
	EXPECT_EQ(100, l.zero);
	EXPECT_EQ(200, l.unique);
	EXPECT_EQ(700, l.merges);
	EXPECT_EQ(0, l.cow_breaks);
	EXPECT_LE(900, l.scanned);
	/* Halves of 300 + 200 and 99 of 100. */
	EXPECT_LE(llabs((long long)(l.saved_bytes - (150 + 100 + 99 + 100) * PG)),
		  600);
}

/* One pass only: what was merged last counts, too. */
TEST_F(ledger, after_one_round)
{
	struct vmdedup_merge m = {
		.size = sizeof(m),
		.flags = VMDEDUP_MERGE_ALL,
		.max_rounds = 1,
	};

	fill_here(self->mem);
	peer_call(&self->peer, do_fill, self->peer_mem, 300, 1);
	ASSERT_EQ(0, ioctl(self->fd, VMDEDUP_IOC_MERGE, &m));
	ASSERT_LT(0, m.merged);
	check_region(_metadata, &self->nl, self->id, 0, false);
	check_region(_metadata, &self->nl, self->peer_id, self->peer.pid, false);
	check_sums(_metadata, &self->nl);
}

/* Only one of two was to be merged: the other's partners count soon. */
TEST_F(ledger, of_the_partner)
{
	fill_here(self->mem);
	peer_call(&self->peer, do_fill, self->peer_mem, 300, 1);
	ASSERT_EQ(0, vd_merge(self->fd, self->peer_id, NULL));
	ASSERT_EQ(0, vd_merge(self->fd, self->id, NULL));
	check_region(_metadata, &self->nl, self->peer_id, self->peer.pid, true);
	check_region(_metadata, &self->nl, self->id, 0, true);
	check_sums(_metadata, &self->nl);
}

/* Written to, unmapped, made zero, and locked while nobody scans. */
TEST_F(ledger, follows_what_changes)
{
	fill_here(self->mem);
	peer_call(&self->peer, do_fill, self->peer_mem, 300, 1);
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	pg_fill_range(self->mem, 50, 9000);
	ASSERT_EQ(0, madvise(self->mem + 100 * PG, 100 * PG, MADV_DONTNEED));
	memset(self->mem + 650 * PG, 1, 10 * PG);
	pg_fill_range(self->mem + 1000 * PG, 300, 7000);
	ASSERT_EQ(0, munmap(self->mem + 800 * PG, 10 * PG));
	check_region(_metadata, &self->nl, self->id, 0, true);
	check_region(_metadata, &self->nl, self->peer_id, self->peer.pid, true);
	check_sums(_metadata, &self->nl);
	/* A mapping that is left out still has what was merged in it. */
	ASSERT_EQ(0, mlock2(self->mem + 200 * PG, 300 * PG, MLOCK_ONFAULT));
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	check_region(_metadata, &self->nl, self->id, 0, true);
	check_sums(_metadata, &self->nl);
	ASSERT_EQ(0, munlock(self->mem + 200 * PG, 300 * PG));
}

TEST_F(ledger, while_the_scanner_runs)
{
	long long scans;

	fill_here(self->mem);
	peer_call(&self->peer, do_fill, self->peer_mem, 300, 1);
	ASSERT_EQ(0, vd_set("scan_rate", 1000000));
	ASSERT_EQ(0, vd_set("run", 1));
	scans = vd_stat("full_scans");
	ASSERT_TRUE(vd_stat_rises("full_scans", scans, 3));
	check_region(_metadata, &self->nl, self->id, 0, true);
	check_region(_metadata, &self->nl, self->peer_id, self->peer.pid, true);
	check_sums(_metadata, &self->nl);
}

TEST_F(ledger, huge_pages)
{
	char *mem = mmap(NULL, 3 * HPAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *huge = (char *)(((uintptr_t)mem + HPAGE - 1) & ~(HPAGE - 1));
	struct vn_region region;
	uint64_t id;

	ASSERT_NE(MAP_FAILED, mem);
	madvise(huge, HPAGE, MADV_HUGEPAGE);
	pg_fill_range(huge, HPAGE_NR, 1);
	ASSERT_EQ(0, vd_register(self->fd, huge, HPAGE, &id));
	ASSERT_EQ(0, vd_merge(self->fd, id, NULL));
	ASSERT_EQ(0, vn_region(&self->nl, id, &region));
	EXPECT_EQ(HPAGE_NR, region.ledger.resident);
	EXPECT_EQ(HPAGE_NR, region.ledger.unique);
	/* Equal to itself by halves: split. */
	memcpy(huge + HPAGE / 2, huge, HPAGE / 2);
	ASSERT_EQ(0, vd_merge(self->fd, id, NULL));
	check_region(_metadata, &self->nl, id, 0, true);
	ASSERT_EQ(0, vn_region(&self->nl, id, &region));
	EXPECT_EQ(HPAGE_NR, region.ledger.merged);
}

static uint64_t breaks(struct vn *nl, uint64_t id)
{
	struct vn_region region;

	return vn_region(nl, id, &region) ? UINT64_MAX :
					    region.ledger.cow_breaks;
}

/* Written to counts; unmapped, unmerged and new does not. */
TEST_F(ledger, breaks)
{
	long long before = vd_stat("cow_breaks");
	struct vn_guest guest;

	pg_fill_range(self->mem, 400, 1);
	pg_fill_range(self->mem + 400 * PG, 400, 1);
	memset(self->mem + 800 * PG, 1, 100 * PG);
	memset(self->mem + 800 * PG, 0, 100 * PG);
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	ASSERT_EQ(0, breaks(&self->nl, self->id));

	pg_fill_range(self->mem, 70, 5000);
	pg_fill_range(self->mem + 850 * PG, 5, 6000);
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	EXPECT_EQ(75, breaks(&self->nl, self->id));
	/* Once each. */
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	EXPECT_EQ(75, breaks(&self->nl, self->id));

	/* Equal content is merged again, and was written to nevertheless. */
	pg_fill_range(self->mem + 100 * PG, 10, 101);
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	EXPECT_EQ(85, breaks(&self->nl, self->id));

	ASSERT_EQ(0, madvise(self->mem + 400 * PG, 200 * PG, MADV_DONTNEED));
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	EXPECT_EQ(85, breaks(&self->nl, self->id));
	pg_fill_range(self->mem + 1000 * PG, 200, 7000);
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	EXPECT_EQ(85, breaks(&self->nl, self->id));
	/* A zero page that the process made itself is nothing of ours. */
	for (int i = 1200; i < 1250; i++)
		EXPECT_EQ(0, *(volatile char *)(self->mem + i * PG));
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	pg_fill_range(self->mem + 1200 * PG, 50, 8000);
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	EXPECT_EQ(85, breaks(&self->nl, self->id));

	ASSERT_EQ(0, vn_guest(&self->nl, 0, getpid(), &guest));
	EXPECT_EQ(85, guest.ledger.cow_breaks);
	EXPECT_EQ(85, vd_stat("cow_breaks") - before);
	/* Copies made on request are not a guest's writes. */
	ASSERT_EQ(0, vd_set("run", 2));
	check_region(_metadata, &self->nl, self->id, 0, true);
	EXPECT_EQ(85, vd_stat("cow_breaks") - before);
}

/* A guest's counters outlive its regions. */
TEST_F(ledger, counters_of_what_is_gone)
{
	struct vn_guest before, after;
	char *more = pg_map(4);
	uint64_t id;

	ASSERT_NE(NULL, more);
	pg_fill_range(self->mem, 100, 1);
	pg_fill_range(self->mem + 100 * PG, 100, 1);
	ASSERT_EQ(0, vd_register(self->fd, more, 4 * PG, &id));
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	ASSERT_EQ(0, vn_guest(&self->nl, 0, getpid(), &before));
	EXPECT_EQ(200, before.ledger.merged);
	ASSERT_EQ(0, vd_unregister(self->fd, self->id, 0, NULL));
	ASSERT_EQ(0, vn_guest(&self->nl, 0, getpid(), &after));
	EXPECT_EQ(before.id, after.id);
	EXPECT_EQ(1, after.regions);
	EXPECT_EQ(0, after.ledger.merged);
	EXPECT_EQ(0, after.ledger.saved_bytes);
	EXPECT_EQ(before.ledger.scanned, after.ledger.scanned);
	EXPECT_EQ(before.ledger.merges, after.ledger.merges);
	EXPECT_EQ(before.ledger.scan_ns, after.ledger.scan_ns);
}

/* CPU time is charged, and all of it to somebody. */
TEST_F(ledger, time)
{
	long long before = vd_stat("scan_ns");
	struct vn_guest guest[4];
	uint64_t sum = 0;
	int nr;

	pg_fill_range(self->mem, N, 1);
	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(0, vd_merge(self->fd, self->id, NULL));
		if (vd_stat("scan_ns") - before > 1000000)
			break;
	}
	nr = vn_guests(&self->nl, guest, 4);
	ASSERT_EQ(2, nr);
	for (int i = 0; i < nr; i++)
		sum += guest[i].ledger.scan_ns;
	EXPECT_LT(0, sum);
	EXPECT_EQ(vd_stat("scan_ns") - before, (long long)sum);
}

/* The whole address space costs what is mapped in it. */
TEST_F(ledger, of_an_address_space)
{
	long long before = vd_stat("metadata_bytes");
	struct vmdedup_register r = {
		.size = sizeof(r),
		.flags = VMDEDUP_REGISTER_ALL,
	};
	struct vn_region region;
	struct vmdedup_query q;

	vd_forget_all(self->fd);
	ASSERT_EQ(0, vd_register_raw(self->fd, &r));
	ASSERT_EQ(0, vd_merge(self->fd, r.region_id, NULL));
	ASSERT_EQ(0, vn_region(&self->nl, r.region_id, &region));
	ASSERT_EQ(0, vd_query(self->fd, r.region_id, VMDEDUP_QUERY_COUNT, &q));
	/* This very process goes on using its memory. */
	EXPECT_LE(llabs((long long)(q.resident - region.ledger.resident)), 64);
	EXPECT_GT(1 << 20, vd_stat("metadata_bytes") - before);
}

TEST_HARNESS_MAIN
