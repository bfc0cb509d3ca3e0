// SPDX-License-Identifier: GPL-2.0
/*
 * Huge pages: split when that saves enough, left alone otherwise.
 *
 * The fixture merges two ranges of small pages, so that each of HPAGE_NR
 * contents has its shared frame before a huge page comes; what splitting it
 * would save is then known exactly.
 */
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "util.h"

#define SEED 0x700
/* Nobody else's, not even of a test before. */
#define OWN ((uint64_t)getpid() << 32)

#define THP_DIR "/sys/kernel/mm/transparent_hugepage/"

FIXTURE(huge) {
	int fd;
	char *small[2];
	char *huge;
	uint64_t pfn[HPAGE_NR];
	char enabled[64];	/* setting to put back */
};

static int read_text(const char *path, char *text, size_t size)
{
	FILE *f = fopen(path, "re");

	if (!f)
		return -errno;
	text[0] = 0;
	if (!fgets(text, size, f))
		text[0] = 0;
	fclose(f);
	return 0;
}

static size_t huge_pages(const char *p, size_t n)
{
	return smaps_kb(p, n * HPAGE, "AnonHugePages") * 1024 / HPAGE;
}

/* The first @equal pages have shared frames already, the others are unique. */
static uint64_t page_seed(size_t i, size_t equal)
{
	return i < equal ? SEED + i : OWN + i;
}

static void fill_huge(char *p, size_t equal)
{
	for (size_t i = 0; i < HPAGE_NR; i++)
		pg_fill(p + i * PG, page_seed(i, equal));
}

static size_t wrong_huge(const char *p, size_t equal)
{
	size_t wrong = 0;

	for (size_t i = 0; i < HPAGE_NR; i++)
		wrong += !pg_is(p + i * PG, page_seed(i, equal));
	return wrong;
}

static size_t shared_frames(const char *p, const uint64_t *pfn)
{
	uint64_t now[HPAGE_NR];
	size_t n = 0;

	if (pm_pfns(0, p, HPAGE_NR, now))
		return 0;
	for (size_t i = 0; i < HPAGE_NR; i++)
		n += now[i] == pfn[i];
	return n;
}

FIXTURE_SETUP(huge)
{
	struct vmdedup_merge m;
	char *word;

	VD_SETUP(self->fd);
	if (read_text(THP_DIR "enabled", self->enabled, sizeof(self->enabled)))
		SKIP(return, "no transparent huge pages");
	word = strchr(self->enabled, '[');
	ASSERT_NE(NULL, word);
	memmove(self->enabled, word + 1, strlen(word));
	*strchr(self->enabled, ']') = 0;
	ASSERT_EQ(0, write_text(THP_DIR "enabled", "madvise"));

	self->huge = chunk_map(2, MADV_HUGEPAGE);
	ASSERT_NE(NULL, self->huge);
	for (int i = 0; i < 2; i++) {
		self->small[i] = pg_map(HPAGE_NR);
		ASSERT_NE(NULL, self->small[i]);
		pg_fill_range(self->small[i], HPAGE_NR, SEED);
		ASSERT_EQ(0, vd_register(self->fd, self->small[i], HPAGE,
					 NULL));
	}
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	ASSERT_EQ(2 * HPAGE_NR, m.merged);
	ASSERT_EQ(0, pm_pfns(0, self->small[0], HPAGE_NR, self->pfn));
	ASSERT_EQ(0, vd_register(self->fd, self->huge, 2 * HPAGE, NULL));

	self->huge[0] = 1;
	if (!huge_pages(self->huge, 1))
		SKIP(return, "no huge page to be had");
}

FIXTURE_TEARDOWN(huge)
{
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(0, pg_wrong(self->small[i], HPAGE_NR, SEED));
	}
	write_text(THP_DIR "enabled", self->enabled);
	vd_end(self->fd);
}

static void expect_left_alone(struct __test_metadata *_metadata,
			      FIXTURE_DATA(huge) *self, size_t equal)
{
	struct vmdedup_merge m;

	fill_huge(self->huge, equal);
	ASSERT_EQ(1, huge_pages(self->huge, 1));
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	EXPECT_EQ(0, m.merged);
	/* What splitting it would have saved. */
	EXPECT_EQ(equal, m.skipped[VMDEDUP_SKIP_HUGE]);
	EXPECT_EQ(1, huge_pages(self->huge, 1));
	EXPECT_EQ(0, wrong_huge(self->huge, equal));
}

static void expect_split(struct __test_metadata *_metadata,
			 FIXTURE_DATA(huge) *self, size_t equal)
{
	struct vmdedup_merge m;

	fill_huge(self->huge, equal);
	ASSERT_EQ(1, huge_pages(self->huge, 1));
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	EXPECT_EQ(equal, m.merged);
	EXPECT_EQ(0, huge_pages(self->huge, 1));
	EXPECT_EQ(equal, shared_frames(self->huge, self->pfn));
	EXPECT_EQ(0, wrong_huge(self->huge, equal));
	/* And it can be written, all of it. */
	pg_fill_range(self->huge, HPAGE_NR, 9000);
	EXPECT_EQ(0, pg_wrong(self->huge, HPAGE_NR, 9000));
}

TEST_F(huge, default_below)
{
	expect_left_alone(_metadata, self, 127);
}

TEST_F(huge, default_at)
{
	expect_split(_metadata, self, 128);
}

TEST_F(huge, one_is_enough)
{
	ASSERT_EQ(0, vd_set("huge_split_pages", 1));
	expect_split(_metadata, self, 1);
}

TEST_F(huge, one_is_enough_but_none_is_not)
{
	ASSERT_EQ(0, vd_set("huge_split_pages", 1));
	expect_left_alone(_metadata, self, 0);
}

TEST_F(huge, all_or_nothing_below)
{
	ASSERT_EQ(0, vd_set("huge_split_pages", 512));
	expect_left_alone(_metadata, self, 511);
}

TEST_F(huge, all_or_nothing_at)
{
	ASSERT_EQ(0, vd_set("huge_split_pages", 512));
	expect_split(_metadata, self, 512);
}

/*
 * While a child may have it, a write fault locks it without the mmap_lock, and 6.12
 * loses what is locked when it is to be split; until it was written to, that is so when
 * the child has gone, too.
 */
TEST_F(huge, a_child_had_it)
{
	pid_t child;

	fill_huge(self->huge, HPAGE_NR);
	child = fork();
	if (!child)
		_exit(0);
	ASSERT_LT(0, child);
	ASSERT_EQ(child, waitpid(child, NULL, 0));
	ASSERT_EQ(1, huge_pages(self->huge, 1));
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	EXPECT_EQ(1, huge_pages(self->huge, 1));
	EXPECT_EQ(0, wrong_huge(self->huge, HPAGE_NR));
	expect_split(_metadata, self, HPAGE_NR);
}

/* No frame exists yet: the two are each other's only partner. */
TEST_F(huge, two_equal_huge_pages)
{
	char *second = self->huge + HPAGE;
	uint64_t a[HPAGE_NR], b[HPAGE_NR];
	struct vmdedup_merge m;

	pg_fill_range(self->huge, HPAGE_NR, OWN);
	pg_fill_range(second, HPAGE_NR, OWN);
	if (huge_pages(self->huge, 2) != 2)
		SKIP(return, "no second huge page to be had");
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	EXPECT_EQ(2 * HPAGE_NR, m.merged);
	EXPECT_EQ(0, huge_pages(self->huge, 2));
	ASSERT_EQ(0, pm_pfns(0, self->huge, HPAGE_NR, a));
	ASSERT_EQ(0, pm_pfns(0, second, HPAGE_NR, b));
	EXPECT_EQ(0, memcmp(a, b, sizeof(a)));
	EXPECT_EQ(0, pg_wrong(self->huge, HPAGE_NR, OWN));
	EXPECT_EQ(0, pg_wrong(second, HPAGE_NR, OWN));
}

TEST_F(huge, zero_content)
{
	struct vmdedup_merge m;
	uint64_t pfn[HPAGE_NR];

	memset(self->huge, 0, HPAGE);
	ASSERT_EQ(1, huge_pages(self->huge, 1));
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	EXPECT_EQ(HPAGE_NR, m.zero);
	EXPECT_EQ(0, huge_pages(self->huge, 1));
	ASSERT_EQ(0, pm_pfns(0, self->huge, HPAGE_NR, pfn));
	for (size_t i = 0; i < HPAGE_NR; i++) {
		EXPECT_EQ(pfn[0], pfn[i]);
		EXPECT_TRUE(pg_is(self->huge + i * PG, 0));
	}
	EXPECT_TRUE(pfn_is_zero_page(pfn[0]));
}

/* The kernel's huge zero page costs nothing, and is to stay or to go whole. */
TEST_F(huge, huge_zero_page)
{
	volatile char *p = self->huge + HPAGE;
	struct vmdedup_merge m;
	char c = *p;

	EXPECT_EQ(0, c);
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	EXPECT_EQ(0, m.merged);
	for (size_t i = 0; i < HPAGE_NR; i++) {
		EXPECT_TRUE(pg_is((char *)p + i * PG, 0));
	}
	pg_fill_range((char *)p, HPAGE_NR, 9000);
	EXPECT_EQ(0, pg_wrong((char *)p, HPAGE_NR, 9000));
}

/*
 * What is left of a huge page after a part of it was unmapped or protected
 * is mapped page by page. Not every kernel can take such pages away.
 */
static void expect_parts(struct __test_metadata *_metadata,
			 FIXTURE_DATA(huge) *self, size_t from, size_t to,
			 size_t there)
{
	struct vmdedup_merge m;
	size_t wrong = 0;

	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	EXPECT_EQ(there, m.merged + m.skipped[VMDEDUP_SKIP_HUGE_PART]);
	TH_LOG("merged %llu", (unsigned long long)m.merged);
	for (size_t i = 0; i < HPAGE_NR; i++)
		if (i < from || i >= to)
			wrong += !pg_is(self->huge + i * PG, SEED + i);
	EXPECT_EQ(0, wrong);
	for (size_t i = 0; i < HPAGE_NR; i++)
		if (i < from || i >= to)
			pg_fill(self->huge + i * PG, 9000 + i);
	for (size_t i = 0; i < HPAGE_NR; i++)
		if (i < from || i >= to)
			wrong += !pg_is(self->huge + i * PG, 9000 + i);
	EXPECT_EQ(0, wrong);
}

TEST_F(huge, part_unmapped)
{
	fill_huge(self->huge, HPAGE_NR);
	ASSERT_EQ(0, munmap(self->huge + 100 * PG, 10 * PG));
	expect_parts(_metadata, self, 100, 110, HPAGE_NR - 10);
}

TEST_F(huge, part_discarded)
{
	fill_huge(self->huge, HPAGE_NR);
	ASSERT_EQ(0, madvise(self->huge + 100 * PG, 10 * PG, MADV_DONTNEED));
	expect_parts(_metadata, self, 100, 110, HPAGE_NR - 10);
	for (size_t i = 100; i < 110; i++) {
		EXPECT_TRUE(pg_is(self->huge + i * PG, 0));
	}
}

TEST_F(huge, part_protected)
{
	char *part = self->huge + HPAGE / 2;

	fill_huge(self->huge, HPAGE_NR);
	ASSERT_EQ(0, mprotect(part, PG, PROT_READ));
	ASSERT_EQ(0, huge_pages(self->huge, 1));
	ASSERT_EQ(0, mprotect(part, PG, PROT_READ | PROT_WRITE));
	expect_parts(_metadata, self, 0, 0, HPAGE_NR);
}

/* Merged pages become a huge page again when their owner asks for it. */
TEST_F(huge, collapse_again)
{
	struct vmdedup_merge m;

	fill_huge(self->huge, HPAGE_NR);
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	ASSERT_EQ(HPAGE_NR, m.merged);
	/* MADV_COLLAPSE; the kernel may refuse, but not mix anything up. */
	madvise(self->huge, HPAGE, 25);
	EXPECT_EQ(0, wrong_huge(self->huge, HPAGE_NR));
	pg_fill_range(self->huge, HPAGE_NR, 9000);
	if (madvise(self->huge, HPAGE, 25))
		TH_LOG("collapse: %s", strerror(errno));
	EXPECT_EQ(0, pg_wrong(self->huge, HPAGE_NR, 9000));
	fill_huge(self->huge, HPAGE_NR);
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	EXPECT_EQ(0, wrong_huge(self->huge, HPAGE_NR));
}

TEST_HARNESS_MAIN
