// SPDX-License-Identifier: GPL-2.0
/*
 * Bad input: the errno that the UAPI header promises, and nothing changed.
 */
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "util.h"

#define N 16

/* The four calls' structs begin alike. */
union any {
	struct {
		uint32_t size;
		uint32_t flags;
	};
	struct vmdedup_register reg;
	struct vmdedup_unregister unreg;
	struct vmdedup_query query;
	struct vmdedup_merge merge;
	char bytes[2 * PG];
};

static const struct call {
	const char *name;
	unsigned long nr;
	uint32_t size;
	uint32_t known_flags;
} calls[] = {
	{ "register", VMDEDUP_IOC_REGISTER, sizeof(struct vmdedup_register),
	  VMDEDUP_REGISTER_PERSIST | VMDEDUP_REGISTER_ALL },
	{ "unregister", VMDEDUP_IOC_UNREGISTER,
	  sizeof(struct vmdedup_unregister), VMDEDUP_UNREGISTER_UNMERGE },
	{ "query", VMDEDUP_IOC_QUERY, sizeof(struct vmdedup_query),
	  VMDEDUP_QUERY_NEXT | VMDEDUP_QUERY_COUNT },
	{ "merge", VMDEDUP_IOC_MERGE, sizeof(struct vmdedup_merge),
	  VMDEDUP_MERGE_ALL },
};

FIXTURE(badinput) {
	int fd;
	char *a;		/* registered as region id */
	char *b;		/* not registered */
	uint64_t id;
	long long regions;
};

FIXTURE_SETUP(badinput)
{
	VD_SETUP(self->fd);
	self->a = pg_map(N);
	self->b = pg_map(N);
	ASSERT_NE(NULL, self->a);
	ASSERT_NE(NULL, self->b);
	pg_fill_range(self->a, N, 1);
	pg_fill_range(self->b, N, 100);
	ASSERT_EQ(0, vd_register(self->fd, self->a, N * PG, &self->id));
	self->regions = vd_stat("regions");
}

FIXTURE_TEARDOWN(badinput)
{
	EXPECT_EQ(self->regions, vd_stat("regions"));
	EXPECT_EQ(0, vd_query(self->fd, self->id, 0, NULL));
	EXPECT_EQ(0, pg_wrong(self->a, N, 1));
	EXPECT_EQ(0, pg_wrong(self->b, N, 100));
	vd_end(self->fd);
}

/* A call that would do: on region a, or for the memory of b. */
static void good(FIXTURE_DATA(badinput) *self, const struct call *c,
		 union any *any)
{
	memset(any, 0, sizeof(*any));
	any->size = c->size;
	if (c->nr == VMDEDUP_IOC_REGISTER) {
		any->reg.start = (uintptr_t)self->b;
		any->reg.length = N * PG;
	} else {
		any->unreg.region_id = self->id;
	}
}

/* The call fails with @want and leaves the struct as it was. */
static bool refused(int fd, const struct call *c, union any *any, int want)
{
	union any was = *any;
	int ret = ioctl(fd, c->nr, any) ? -errno : 0;

	if (ret != want)
		fprintf(stderr, "# %s: %d instead of %d\n", c->name, ret, want);
	return ret == want && !memcmp(&was, any, sizeof(was));
}

TEST_F(badinput, size_too_small)
{
	static const uint32_t sizes[] = { 0, 1, 4, 8, 12 };
	union any any;

	for (size_t k = 0; k < ARRAY_SIZE(calls); k++) {
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			good(self, &calls[k], &any);
			any.size = sizes[i];
			EXPECT_TRUE(refused(self->fd, &calls[k], &any,
					    -EINVAL));
		}
		good(self, &calls[k], &any);
		any.size--;
		EXPECT_TRUE(refused(self->fd, &calls[k], &any, -EINVAL));
	}
}

TEST_F(badinput, size_too_large)
{
	union any any;

	for (size_t k = 0; k < ARRAY_SIZE(calls); k++) {
		good(self, &calls[k], &any);
		any.size = PG + 1;
		EXPECT_TRUE(refused(self->fd, &calls[k], &any, -E2BIG));
		any.size = ~0U;
		EXPECT_TRUE(refused(self->fd, &calls[k], &any, -E2BIG));

		for (uint32_t more = 8; more < 3000; more *= 3) {
			good(self, &calls[k], &any);
			any.size += more;
			any.bytes[any.size - 1] = 1;
			EXPECT_TRUE(refused(self->fd, &calls[k], &any,
					    -E2BIG));
		}
	}
}

/* A later program: more than this kernel knows, but all of it zero. */
TEST_F(badinput, size_of_later_version)
{
	union any any;

	for (size_t k = 0; k < ARRAY_SIZE(calls); k++) {
		for (int round = 0; round < 2; round++) {
			good(self, &calls[k], &any);
			any.size = round ? PG : any.size + 8;
			any.bytes[any.size] = 0x5a;
			ASSERT_EQ(0, ioctl(self->fd, calls[k].nr, &any))
				TH_LOG("%s", calls[k].name);
			EXPECT_EQ(0x5a, any.bytes[any.size]);
			if (calls[k].nr == VMDEDUP_IOC_REGISTER) {
				ASSERT_EQ(0, vd_unregister(self->fd,
						any.reg.region_id, 0, NULL));
			}
			if (calls[k].nr == VMDEDUP_IOC_UNREGISTER) {
				ASSERT_EQ(0, vd_register(self->fd, self->a,
							 N * PG, &self->id));
			}
		}
	}
}

TEST_F(badinput, unknown_flags)
{
	union any any;

	for (size_t k = 0; k < ARRAY_SIZE(calls); k++)
		for (int bit = 0; bit < 32; bit++) {
			if (calls[k].known_flags & (1U << bit))
				continue;
			good(self, &calls[k], &any);
			any.flags = 1U << bit;
			EXPECT_TRUE(refused(self->fd, &calls[k], &any,
					    -EINVAL));
		}
}

TEST_F(badinput, reserved_members)
{
	union any any;

	good(self, &calls[0], &any);
	any.reg.reserved = 1;
	EXPECT_TRUE(refused(self->fd, &calls[0], &any, -EINVAL));
	good(self, &calls[2], &any);
	any.query.reserved = 1;
	EXPECT_TRUE(refused(self->fd, &calls[2], &any, -EINVAL));
	/* All regions, and one of them: which? */
	good(self, &calls[3], &any);
	any.flags = VMDEDUP_MERGE_ALL;
	EXPECT_TRUE(refused(self->fd, &calls[3], &any, -EINVAL));
}

TEST_F(badinput, unknown_calls)
{
	union any any = { .size = sizeof(struct vmdedup_query) };

	errno = 0;
	EXPECT_EQ(-1, ioctl(self->fd, _IO(VMDEDUP_IOC_MAGIC, 0x04), &any));
	EXPECT_EQ(ENOTTY, errno);
	EXPECT_EQ(-1, ioctl(self->fd, _IO(VMDEDUP_IOC_MAGIC, 0xff), &any));
	EXPECT_EQ(ENOTTY, errno);
	EXPECT_EQ(-1, ioctl(self->fd, _IO(VMDEDUP_IOC_MAGIC + 1, 0), &any));
	EXPECT_EQ(ENOTTY, errno);
	/* The same number with a size or direction is another call. */
	EXPECT_EQ(-1, ioctl(self->fd, _IOWR(VMDEDUP_IOC_MAGIC, 0x02, long),
			    &any));
	EXPECT_EQ(ENOTTY, errno);
}

TEST_F(badinput, bad_pointers)
{
	char *page = pg_map(1);
	void *where[] = { NULL, (void *)8, page + PG - 4, page + PG,
			  (void *)0xffff888000000000UL, (void *)-1L };
	union any any;

	ASSERT_NE(NULL, page);
	for (size_t k = 0; k < ARRAY_SIZE(calls); k++) {
		/* At the end of the page the size can be read, no more. */
		*(uint32_t *)(page + PG - 4) = calls[k].size;
		for (size_t i = 0; i < ARRAY_SIZE(where); i++) {
			errno = 0;
			EXPECT_EQ(-1, ioctl(self->fd, calls[k].nr, where[i]));
			EXPECT_EQ(EFAULT, errno)
				TH_LOG("%s %zu", calls[k].name, i);
		}
	}

	/* Results that cannot be stored: as if it had not been called. */
	for (size_t k = 0; k < ARRAY_SIZE(calls); k++) {
		ASSERT_EQ(0, mprotect(page, PG, PROT_READ | PROT_WRITE));
		good(self, &calls[k], &any);
		memcpy(page, &any, PG);
		ASSERT_EQ(0, mprotect(page, PG, PROT_READ));
		EXPECT_EQ(-1, ioctl(self->fd, calls[k].nr, page))
			TH_LOG("%s", calls[k].name);
		EXPECT_EQ(EFAULT, errno);
		EXPECT_EQ(self->regions, vd_stat("regions"))
			TH_LOG("%s", calls[k].name);
	}
}

TEST_F(badinput, addresses)
{
	const uint64_t b = (uintptr_t)self->b;
	const struct {
		uint64_t start;
		uint64_t length;
		int want;
	} cases[] = {
		{ b + 1, PG, -EINVAL },
		{ b + PG / 2, PG, -EINVAL },
		{ b, PG + 1, -EINVAL },
		{ b, 1, -EINVAL },
		{ b, 0, -EINVAL },
		{ 0, 0, -EINVAL },
		{ b, -PG, -EOVERFLOW },
		{ -PG, PG, -EOVERFLOW },
		{ -PG, 2 * PG, -EOVERFLOW },
		{ b, 1ULL << 63, -EOVERFLOW },
		{ 0xffff888000000000ULL, PG, -EOVERFLOW },
		{ 0xffffffff81000000ULL, PG, -EOVERFLOW },
		{ 0xffffffffff600000ULL, PG, -EOVERFLOW },
		{ 1ULL << 63, PG, -EOVERFLOW },
		{ b, 1ULL << 57, -EOVERFLOW },
	};
	char *hole = pg_map(N);
	union any any;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		good(self, &calls[0], &any);
		any.reg.start = cases[i].start;
		any.reg.length = cases[i].length;
		EXPECT_TRUE(refused(self->fd, &calls[0], &any, cases[i].want))
			TH_LOG("case %zu", i);
	}
	/* Nothing is mapped there. */
	ASSERT_EQ(0, munmap(hole, N * PG));
	good(self, &calls[0], &any);
	any.reg.start = (uintptr_t)hole;
	EXPECT_TRUE(refused(self->fd, &calls[0], &any, -EFAULT));
	/* The whole address space has no start and no length. */
	good(self, &calls[0], &any);
	any.flags = VMDEDUP_REGISTER_ALL;
	EXPECT_TRUE(refused(self->fd, &calls[0], &any, -EINVAL));
	any.reg.start = 0;
	EXPECT_TRUE(refused(self->fd, &calls[0], &any, -EINVAL));
}

TEST_F(badinput, unknown_regions)
{
	const uint64_t ids[] = { 0, self->id + 1, self->id + 1000, 1ULL << 63,
				 UINT64_MAX };
	union any any;

	for (size_t k = 1; k < ARRAY_SIZE(calls); k++)
		for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
			good(self, &calls[k], &any);
			any.unreg.region_id = ids[i];
			EXPECT_TRUE(refused(self->fd, &calls[k], &any,
					    -ENOENT));
		}
	good(self, &calls[2], &any);
	any.flags = VMDEDUP_QUERY_NEXT;
	any.query.region_id = UINT64_MAX;
	EXPECT_TRUE(refused(self->fd, &calls[2], &any, -ENOENT));
	any.query.region_id = self->id;
	EXPECT_TRUE(refused(self->fd, &calls[2], &any, -ENOENT));
}

TEST_HARNESS_MAIN
