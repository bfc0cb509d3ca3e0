// SPDX-License-Identifier: GPL-2.0
/*
 * Regions: how they come, overlap and go, also in the middle of a scan.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>

#include "kselftest_harness.h"
#include "util.h"

#define N 64
#define SEED 0x1100

FIXTURE(lifecycle) {
	int fd;
	char *a;
	char *b;
};

FIXTURE_SETUP(lifecycle)
{
	VD_SETUP(self->fd);
	ASSERT_EQ(0, pg_map_pair(N, SEED, &self->a, &self->b));
	ASSERT_EQ(0, pg_keep(self->a, N));
	ASSERT_EQ(0, pg_keep(self->b, N));
}

FIXTURE_TEARDOWN(lifecycle)
{
	vd_end(self->fd);
}

TEST_F(lifecycle, close_forgets)
{
	long long regions = vd_stat("regions");
	int fd = vd_open(), copy;
	uint64_t id;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, vd_register(fd, self->a, N * PG, &id));
	EXPECT_EQ(regions + 1, vd_stat("regions"));
	copy = dup(fd);
	close(fd);
	EXPECT_EQ(0, vd_query(self->fd, id, 0, NULL));
	close(copy);
	EXPECT_EQ(-ENOENT, vd_query(self->fd, id, 0, NULL));
	EXPECT_EQ(-ENOENT, vd_merge(self->fd, id, NULL));
	EXPECT_EQ(-ENOENT, vd_unregister(self->fd, id, 0, NULL));
	EXPECT_EQ(regions, vd_stat("regions"));
}

TEST_F(lifecycle, unregister_forgets)
{
	struct vmdedup_merge m;
	uint64_t id, again;

	ASSERT_EQ(0, vd_register(self->fd, self->a, N * PG, &id));
	ASSERT_EQ(0, vd_unregister(self->fd, id, 0, NULL));
	EXPECT_EQ(-ENOENT, vd_query(self->fd, id, 0, NULL));
	EXPECT_EQ(-ENOENT, vd_unregister(self->fd, id, 0, NULL));
	/* What is not registered does not merge. */
	ASSERT_EQ(0, vd_register(self->fd, self->b, N * PG, NULL));
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	EXPECT_EQ(0, m.merged);
	/* Ids are never used again. */
	ASSERT_EQ(0, vd_register(self->fd, self->a, N * PG, &again));
	EXPECT_LT(id, again);
}

TEST_F(lifecycle, persist_outlives_the_file)
{
	struct vmdedup_register r = {
		.size = sizeof(r),
		.flags = VMDEDUP_REGISTER_PERSIST,
		.start = (uintptr_t)self->a,
		.length = N * PG,
	};
	struct vmdedup_query q;
	int fd = vd_open();

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, vd_register_raw(fd, &r));
	close(fd);
	ASSERT_EQ(0, vd_query(self->fd, r.region_id, 0, &q));
	EXPECT_EQ(VMDEDUP_REGION_PERSIST, q.region_flags);
	EXPECT_EQ((uintptr_t)self->a, q.start);
	EXPECT_EQ(N * PG, q.length);
	EXPECT_EQ(getpid(), q.pid);
	EXPECT_EQ(getuid(), q.uid);
	EXPECT_EQ(0, vd_unregister(self->fd, r.region_id, 0, NULL));
	EXPECT_EQ(-ENOENT, vd_query(self->fd, r.region_id, 0, NULL));
}

static uint64_t register_persist(uint64_t addr, uint64_t pages, uint64_t c)
{
	struct vmdedup_register r = {
		.size = sizeof(r),
		.flags = VMDEDUP_REGISTER_PERSIST,
		.start = addr,
		.length = pages * PG,
	};
	int fd = vd_open(), ret;

	(void)c;
	if (fd < 0)
		return 0;
	ret = vd_register_raw(fd, &r);
	close(fd);
	return ret ? 0 : r.region_id;
}

static uint64_t exec_sleep(uint64_t a, uint64_t b, uint64_t c)
{
	(void)a;
	(void)b;
	(void)c;
	/* Standard output tells the caller that the new program is there. */
	dup2(101, 1);
	execl("/bin/sh", "sh", "-c", "printf 12345678; exec sleep 600", NULL);
	return 0;
}

/* Not even a persistent region outlives its address space. */
TEST_F(lifecycle, exit_and_exec_forget)
{
	long long regions = vd_stat("regions");
	uint64_t addr, id;
	struct peer p;

	for (int how = 0; how < 3; how++) {
		ASSERT_EQ(0, peer_start(&p));
		addr = peer_call(&p, do_map, N, 0, 0);
		peer_call(&p, do_fill, addr, N, SEED);
		id = peer_call(&p, register_persist, addr, N, 0);
		ASSERT_NE(0, id);
		ASSERT_EQ(0, vd_merge(self->fd, id, NULL));
		EXPECT_EQ(0, vd_query(self->fd, id, 0, NULL));
		switch (how) {
		case 0:
			EXPECT_EQ(0, peer_stop(&p));
			break;
		case 1:
			peer_kill(&p);
			break;
		case 2:
			EXPECT_NE(0, peer_call(&p, exec_sleep, 0, 0, 0));
			break;
		}
		EXPECT_EQ(-ENOENT, vd_query(self->fd, id, 0, NULL))
			TH_LOG("way %d", how);
		if (how == 2)
			peer_kill(&p);
		EXPECT_EQ(regions, vd_stat("regions"));
	}
}

static int reg(int fd, const char *p, size_t pages, struct vmdedup_register *r)
{
	memset(r, 0, sizeof(*r));
	r->size = sizeof(*r);
	r->start = (uintptr_t)p;
	r->length = pages * PG;
	return vd_register_raw(fd, r);
}

TEST_F(lifecycle, overlap)
{
	long long regions = vd_stat("regions");
	struct vmdedup_register r;
	uint64_t id;

	ASSERT_EQ(0, reg(self->fd, self->a + 16 * PG, 16, &r));
	id = r.region_id;
	EXPECT_EQ(0, r.out_flags);
	EXPECT_EQ(16 * PG, r.eligible);
	EXPECT_EQ(0, r.refused);
	EXPECT_EQ(VMDEDUP_SKIP_NONE, r.reason);

	/* The same, and any part of it, is the same region. */
	for (size_t at = 16; at < 32; at += 5) {
		ASSERT_EQ(0, reg(self->fd, self->a + at * PG, 32 - at, &r));
		EXPECT_EQ(id, r.region_id);
		EXPECT_EQ(VMDEDUP_REGISTERED_EXISTS, r.out_flags);
	}
	/* Across an edge, or around it: refused with its name. */
	ASSERT_EQ(-EEXIST, reg(self->fd, self->a + 15 * PG, 2, &r));
	EXPECT_EQ(id, r.region_id);
	ASSERT_EQ(-EEXIST, reg(self->fd, self->a + 31 * PG, 2, &r));
	EXPECT_EQ(id, r.region_id);
	ASSERT_EQ(-EEXIST, reg(self->fd, self->a + 8 * PG, 32, &r));
	EXPECT_EQ(id, r.region_id);
	EXPECT_EQ(regions + 1, vd_stat("regions"));
	/* Next to it on both sides: regions of their own. */
	ASSERT_EQ(0, reg(self->fd, self->a + 8 * PG, 8, &r));
	EXPECT_NE(id, r.region_id);
	EXPECT_EQ(0, r.out_flags);
	ASSERT_EQ(0, reg(self->fd, self->a + 32 * PG, 8, &r));
	EXPECT_EQ(0, r.out_flags);
	EXPECT_EQ(regions + 3, vd_stat("regions"));
}

TEST_F(lifecycle, longest_registration_counts)
{
	struct vmdedup_register r;
	int first = vd_open(), second = vd_open();
	uint64_t id;

	ASSERT_LE(0, first);
	ASSERT_LE(0, second);
	ASSERT_EQ(0, reg(first, self->a, N, &r));
	id = r.region_id;
	ASSERT_EQ(0, reg(second, self->a + PG, 1, &r));
	ASSERT_EQ(id, r.region_id);
	close(first);
	EXPECT_EQ(0, vd_query(self->fd, id, 0, NULL));
	close(second);
	EXPECT_EQ(-ENOENT, vd_query(self->fd, id, 0, NULL));
}

TEST_F(lifecycle, another_process_by_pid)
{
	uint64_t addr, mine[N], theirs[N];
	struct vmdedup_register r;
	struct peer p;

	ASSERT_EQ(0, peer_start(&p));
	addr = peer_call(&p, do_map, N, 0, 0);
	peer_call(&p, do_fill, addr, N, SEED);
	ASSERT_EQ(0, vd_register(self->fd, self->a, N * PG, NULL));
	memset(&r, 0, sizeof(r));
	r.size = sizeof(r);
	r.pid = p.pid;
	r.start = addr;
	r.length = N * PG;
	ASSERT_EQ(0, vd_register_raw(self->fd, &r));
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	ASSERT_EQ(0, pm_pfns(0, self->a, N, mine));
	ASSERT_EQ(0, pm_pfns(p.pid, (void *)addr, N, theirs));
	EXPECT_EQ(0, memcmp(mine, theirs, sizeof(mine)));
	EXPECT_EQ(0, peer_call(&p, do_wrong, addr, N, SEED));
	EXPECT_EQ(0, peer_stop(&p));
	EXPECT_EQ(-ENOENT, vd_query(self->fd, r.region_id, 0, NULL));
	EXPECT_EQ(0, pg_wrong(self->a, N, SEED));
}

TEST_F(lifecycle, whole_address_space)
{
	struct vmdedup_register r = {
		.size = sizeof(r),
		.flags = VMDEDUP_REGISTER_ALL,
	};
	uint64_t addr, mine[N], theirs[N];
	struct vmdedup_query q;
	struct peer p;

	ASSERT_EQ(0, peer_start(&p));
	r.pid = p.pid;
	ASSERT_EQ(0, vd_register_raw(self->fd, &r));
	EXPECT_LT(0, r.eligible);
	ASSERT_EQ(0, vd_query(self->fd, r.region_id, 0, &q));
	EXPECT_EQ(VMDEDUP_REGION_ALL, q.region_flags);
	EXPECT_EQ(p.pid, q.pid);
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	/* What is mapped later belongs to it. */
	addr = peer_call(&p, do_map, N, 0, 0);
	peer_call(&p, do_fill, addr, N, SEED);
	ASSERT_EQ(0, vd_register(self->fd, self->a, N * PG, NULL));
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	ASSERT_EQ(0, pm_pfns(0, self->a, N, mine));
	ASSERT_EQ(0, pm_pfns(p.pid, (void *)addr, N, theirs));
	EXPECT_EQ(0, memcmp(mine, theirs, sizeof(mine)));
	EXPECT_EQ(0, peer_call(&p, do_wrong, addr, N, SEED));
	EXPECT_EQ(0, peer_stop(&p));
}

/*
 * A huge empty region: what a pass looks at is what is there. A page table
 * covers 2 MiB; pages in distinct ones are what costs most.
 */
TEST_F(lifecycle, sparse_32_tib)
{
	size_t bytes = 32UL << 40, step = bytes / N;
	struct vmdedup_merge m = {
		.size = sizeof(m), .max_rounds = 1,
	};
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t id;

	ASSERT_NE(MAP_FAILED, p);
	madvise(p, bytes, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < N; i++)
		pg_fill(p + i * step, SEED + i % 2);
	ASSERT_EQ(0, vd_register(self->fd, p, bytes, &id));
	m.region_id = id;
	ASSERT_EQ(0, ioctl(self->fd, VMDEDUP_IOC_MERGE, &m));
	EXPECT_EQ(1, m.rounds);
	EXPECT_EQ(N, m.merged);
	EXPECT_LE(N, m.scanned);
	EXPECT_GE(N + 8, m.scanned);
	for (size_t i = 2; i < N; i++) {
		EXPECT_EQ(pm_pfn(p + i % 2 * step), pm_pfn(p + i * step));
	}
	for (size_t i = 0; i < N; i++) {
		EXPECT_TRUE(pg_is(p + i * step, SEED + i % 2));
	}
	EXPECT_EQ(0, munmap(p, bytes));
	EXPECT_EQ(0, vd_merge(self->fd, 0, NULL));
}

#define MANY 1000

TEST_F(lifecycle, thousand_regions)
{
	long long regions = vd_stat("regions");
	char *p = pg_map(2 * MANY);
	struct vmdedup_query q;
	struct vmdedup_merge m;
	uint64_t id[MANY], pfn;

	ASSERT_NE(NULL, p);
	for (size_t i = 0; i < MANY; i++) {
		pg_fill(p + 2 * i * PG, SEED);
		ASSERT_EQ(0, vd_register(self->fd, p + 2 * i * PG, PG, &id[i]));
	}
	EXPECT_EQ(regions + MANY, vd_stat("regions"));
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	EXPECT_EQ(MANY, m.merged);
	pfn = pm_pfn(p);
	for (size_t i = 1; i < MANY; i++) {
		ASSERT_EQ(pfn, pm_pfn(p + 2 * i * PG));
	}
	EXPECT_EQ(MANY, kpage_count(pfn));
	for (size_t i = 0; i < MANY; i += 2) {
		ASSERT_EQ(0, vd_unregister(self->fd, id[i], 0, NULL));
	}
	EXPECT_EQ(regions + MANY / 2, vd_stat("regions"));
	ASSERT_EQ(0, vd_query(self->fd, id[0], VMDEDUP_QUERY_NEXT, &q));
	EXPECT_EQ(id[1], q.region_id);
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	EXPECT_EQ(0, m.merged);
}

TEST_HARNESS_MAIN
