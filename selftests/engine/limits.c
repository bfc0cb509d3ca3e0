// SPDX-License-Identifier: GPL-2.0
/*
 * What is refused because there would be too much of it: registrations of a user,
 * and merging and unmerging where memory, or a memory cgroup, has no room for it.
 */
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <linux/capability.h>

#include "kselftest_harness.h"
#include "util.h"

#define MAX 4
#define ROOM 16
#define USER 1001
#define OTHER 1002

FIXTURE(limits) {
	int fd;
	struct peer peer[2];
};

FIXTURE_SETUP(limits)
{
	ASSERT_EQ(0, peer_start(&self->peer[0]));
	ASSERT_EQ(0, peer_start(&self->peer[1]));
	VD_SETUP(self->fd);
	ASSERT_EQ(0, chmod(VD_DEV, 0666));
	ASSERT_EQ(0, vd_set("max_regions", MAX));
}

FIXTURE_TEARDOWN(limits)
{
	peer_stop(&self->peer[0]);
	peer_stop(&self->peer[1]);
	chmod(VD_DEV, 0660);
	vd_end(self->fd);
}

/* In a peer: its files, and its memory. */
static int file[3] = { -1, -1, -1 };
static char *room;

/* Register page @nr of the room, through file @which. Returns 0 or errno. */
static uint64_t do_one(uint64_t nr, uint64_t flags, uint64_t which)
{
	struct vmdedup_register r = { .size = sizeof(r), .flags = flags,
				      .length = PG };

	if (!room) {
		room = pg_map(2 * ROOM);
		if (!room)
			return ENOMEM;
		pg_fill_range(room, 2 * ROOM, 1);
	}
	if (file[which] < 0)
		file[which] = vd_open();
	if (file[which] < 0)
		return -file[which];
	/* Not side by side. */
	r.start = (uintptr_t)room + 2 * nr * PG;
	return -vd_register_raw(file[which], &r);
}

/* From page @first on, until it is refused. Returns how many were not. */
static uint64_t do_many(uint64_t first, uint64_t flags, uint64_t which)
{
	uint64_t nr = first, err = 0;

	while (nr < ROOM) {
		err = do_one(nr, flags, which);
		if (err)
			break;
		nr++;
	}
	return err && err != EDQUOT ? 1000 + err : nr - first;
}

static uint64_t do_close(uint64_t which, uint64_t b, uint64_t c)
{
	(void)b;
	(void)c;
	close(file[which]);
	file[which] = -1;
	return 0;
}

/* Forget the region with the smallest id that one may manage. */
static uint64_t do_forget_one(uint64_t which, uint64_t b, uint64_t c)
{
	struct vmdedup_query q;
	int ret = vd_query(file[which], 0, VMDEDUP_QUERY_NEXT, &q);

	(void)b;
	(void)c;
	return ret ? -ret : -vd_unregister(file[which], q.region_id, 0, NULL);
}

TEST_F(limits, values)
{
	EXPECT_EQ(0, vd_set("max_regions", 0));
	EXPECT_EQ(0, vd_set("max_regions", 65536));
	EXPECT_EQ(-EINVAL, vd_set("max_regions", 65537));
	EXPECT_EQ(-EINVAL, vd_set("max_regions", -1));
	EXPECT_EQ(65536, vd_get("max_regions"));
	/* Nobody at all but who may do everything. */
	EXPECT_EQ(0, vd_set("max_regions", 0));
	EXPECT_EQ(ROOM, peer_call(&self->peer[0], do_many, 0, 0, 0));
	ASSERT_EQ(0, peer_call(&self->peer[1], do_setuid, USER, 0, 0));
	EXPECT_EQ(EDQUOT, peer_call(&self->peer[1], do_one, 0, 0, 0));
}

TEST_F(limits, of_a_user)
{
	struct peer *p = self->peer;

	ASSERT_EQ(0, peer_call(&p[0], do_setuid, USER, 0, 0));
	ASSERT_EQ(0, peer_call(&p[1], do_setuid, USER, 0, 0));
	EXPECT_EQ(MAX, peer_call(&p[0], do_many, 0, 0, 0));
	EXPECT_EQ(EDQUOT, peer_call(&p[0], do_one, MAX, 0, 0));
	/* What is refused leaves nothing behind, nor does what is there twice. */
	EXPECT_EQ(MAX, vd_stat("regions"));
	EXPECT_EQ(0, peer_call(&p[0], do_one, 0, 0, 0));
	/* Not by another file, or as another process, or to persist. */
	EXPECT_EQ(EDQUOT, peer_call(&p[0], do_one, MAX, 0, 1));
	EXPECT_EQ(EDQUOT, peer_call(&p[0], do_one, 0, 0, 1));
	EXPECT_EQ(EDQUOT, peer_call(&p[0], do_one, 0, VMDEDUP_REGISTER_PERSIST, 0));
	EXPECT_EQ(EDQUOT, peer_call(&p[1], do_one, 0, 0, 0));
	/* One less, one more. */
	EXPECT_EQ(0, peer_call(&p[0], do_forget_one, 0, 0, 0));
	EXPECT_EQ(1, peer_call(&p[1], do_many, 0, 0, 0));
	EXPECT_EQ(EDQUOT, peer_call(&p[0], do_one, 0, 0, 0));
	/* A file that is closed takes its own along. */
	peer_call(&p[0], do_close, 0, 0, 0);
	EXPECT_EQ(MAX - 1, peer_call(&p[1], do_many, 1, 0, 0));
	/* Others are not concerned. */
	peer_stop(&p[0]);
	ASSERT_EQ(0, peer_start(&p[0]));
	ASSERT_EQ(0, peer_call(&p[0], do_setuid, OTHER, 0, 0));
	EXPECT_EQ(MAX, peer_call(&p[0], do_many, 0, 0, 0));
}

/* Those that outlive the file count until they go, with the process at last. */
TEST_F(limits, of_what_persists)
{
	struct peer *p = self->peer;

	ASSERT_EQ(0, peer_call(&p[0], do_setuid, USER, 0, 0));
	ASSERT_EQ(0, peer_call(&p[1], do_setuid, USER, 0, 0));
	EXPECT_EQ(MAX, peer_call(&p[0], do_many, 0, VMDEDUP_REGISTER_PERSIST, 0));
	peer_call(&p[0], do_close, 0, 0, 0);
	EXPECT_EQ(EDQUOT, peer_call(&p[0], do_one, MAX, 0, 0));
	EXPECT_EQ(EDQUOT, peer_call(&p[1], do_one, 0, 0, 0));
	/* The same again is nothing new. */
	EXPECT_EQ(0, peer_call(&p[0], do_one, 0, VMDEDUP_REGISTER_PERSIST, 0));
	EXPECT_EQ(0, peer_stop(&p[0]));
	/* Whoever asks how many there are has those of the dead counted off. */
	EXPECT_EQ(0, vd_stat("regions"));
	EXPECT_EQ(MAX, peer_call(&p[1], do_many, 0, 0, 0));
	ASSERT_EQ(0, peer_start(&p[0]));
}

static uint64_t do_unshare(uint64_t a, uint64_t b, uint64_t c)
{
	(void)a;
	(void)b;
	(void)c;
	return unshare(CLONE_NEWUSER) ? errno : 0;
}

/* Many users that somebody has made for themselves are one. */
TEST_F(limits, of_a_user_namespace)
{
	struct peer *p = self->peer;
	char path[64];
	uint64_t err;

	ASSERT_EQ(0, peer_call(&p[0], do_setuid, USER, 0, 0));
	ASSERT_EQ(0, peer_call(&p[1], do_setuid, USER, 0, 0));
	EXPECT_EQ(MAX, peer_call(&p[0], do_many, 0, 0, 0));
	err = peer_call(&p[1], do_unshare, 0, 0, 0);
	if (err)
		SKIP(return, "no user namespaces: %s", strerror(err));
	EXPECT_EQ(EDQUOT, peer_call(&p[1], do_one, 0, 0, 0));
	snprintf(path, sizeof(path), "/proc/%d/uid_map", p[1].pid);
	ASSERT_EQ(0, write_text(path, "0 1001 1\n1 5000 10\n"));
	/* With all capabilities, as 5000, but in there only. */
	ASSERT_EQ(0, peer_call(&p[1], do_setuid, 1, 0, 0));
	EXPECT_EQ(EDQUOT, peer_call(&p[1], do_one, 0, 0, 1));
	peer_call(&p[0], do_close, 0, 0, 0);
	EXPECT_EQ(MAX, peer_call(&p[1], do_many, 0, 0, 1));
}

/* A process with all capabilities but one, which registers others' memory. */
static uint64_t do_give_up(uint64_t cap, uint64_t b, uint64_t c)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	(void)b;
	(void)c;
	if (syscall(SYS_capget, &head, data))
		return errno;
	data[CAP_TO_INDEX(cap)].effective &= ~CAP_TO_MASK(cap);
	data[CAP_TO_INDEX(cap)].permitted &= ~CAP_TO_MASK(cap);
	data[CAP_TO_INDEX(cap)].inheritable &= ~CAP_TO_MASK(cap);
	return syscall(SYS_capset, &head, data) ? errno : 0;
}

static uint64_t do_register_of(uint64_t pid, uint64_t addr, uint64_t c)
{
	struct vmdedup_register r = { .size = sizeof(r), .pid = pid,
				      .start = addr, .length = PG };

	(void)c;
	if (file[0] < 0)
		file[0] = vd_open();
	return file[0] < 0 ? -file[0] : -vd_register_raw(file[0], &r);
}

/* How many there are for who goes through all of them, and what each is made of. */
#define RING 32
#define RING_PAGES 4096

/* Remove and register one after the other, for ever. */
static uint64_t do_go_round(uint64_t b, uint64_t c, uint64_t d)
{
	static uint64_t id[RING];
	int fd = vd_open();
	char *mem;

	(void)b;
	(void)c;
	(void)d;
	mem = pg_map(RING * RING_PAGES);
	if (fd < 0 || !mem)
		return 1;
	pg_read(mem, RING * RING_PAGES);
	for (size_t i = 0;; i = (i + 1) % RING) {
		/* Not side by side. */
		if (id[i] && vd_unregister(fd, id[i], 0, NULL))
			return 1;
		if (vd_register(fd, mem + i * RING_PAGES * PG,
				(RING_PAGES - 1) * PG, &id[i]))
			return 1;
	}
}

/*
 * There is always one more, with a larger id, for who takes longer to look at one than
 * it takes to register one: who unmerges all, or counts, goes as far as the newest.
 */
TEST_F(limits, come_to_an_end)
{
	struct peer *p = self->peer;
	long long scans;

	ASSERT_EQ(0, vd_set("max_regions", 2 * RING));
	ASSERT_EQ(0, peer_call(&p[0], do_setuid, USER, 0, 0));
	ASSERT_EQ(0, peer_send(&p[0], do_go_round, 0, 0, 0));
	EXPECT_TRUE(vd_stat_rises("regions", 0, RING - 1));
	EXPECT_EQ(0, vd_set("run", 2));
	EXPECT_EQ(0, vd_set_text("domain_policy", "host"));
	ASSERT_EQ(0, vd_set("scan_rate", 1000000000));
	ASSERT_EQ(0, vd_set("run", 1));
	scans = vd_stat("full_scans");
	EXPECT_TRUE(vd_stat_rises("full_scans", scans, 4));
	EXPECT_EQ(SIGKILL, peer_kill(&p[0]));
}

TEST_F(limits, of_who_registers_others)
{
	struct peer *p = self->peer;
	uint64_t addr = peer_call(&p[1], do_map, 2 * ROOM, 0, 0);

	ASSERT_NE(0, addr);
	ASSERT_EQ(0, peer_call(&p[0], do_give_up, CAP_SYS_RESOURCE, 0, 0));
	for (int i = 0; i < MAX; i++)
		ASSERT_EQ(0, peer_call(&p[0], do_register_of, p[1].pid,
				       addr + 2 * i * PG, 0));
	EXPECT_EQ(EDQUOT, peer_call(&p[0], do_register_of, p[1].pid,
				    addr + 2 * MAX * PG, 0));
	/* Not even what somebody else has registered. */
	ASSERT_NE(0, peer_call(&p[1], do_register, addr + 2 * MAX * PG, 1, 0));
	EXPECT_EQ(EDQUOT, peer_call(&p[0], do_register_of, p[1].pid,
				    addr + 2 * MAX * PG, 0));
}

/* Unmerging. */

#define N 2048
#define SEED 0x2222
#define CGROUP "/sys/fs/cgroup/vmdedup-limits"
#define CHILD CGROUP "/child"

FIXTURE(unmerge) {
	int fd;
	struct peer guest;
	char *here;		/* as the guest's, outside of its cgroup */
	uint64_t there[2];	/* in the guest, N pages each */
	uint64_t id[2];
};

static bool make_cgroups(void)
{
	write_text("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	mkdir(CGROUP, 0755);
	write_text(CGROUP "/cgroup.subtree_control", "+memory");
	mkdir(CHILD, 0755);
	return !access(CHILD "/memory.max", W_OK);
}

FIXTURE_SETUP(unmerge)
{
	struct vmdedup_merge m;

	VD_SETUP(self->fd);
	if (!make_cgroups())
		SKIP(return, "no memory cgroups");
	ASSERT_EQ(0, peer_start(&self->guest));
	ASSERT_EQ(0, peer_call(&self->guest, do_enter_cgroup,
			       (uintptr_t)CHILD, 0, 0));
	/* Frames are charged to who is first: not to the guest. */
	self->here = pg_map(2 * N);
	ASSERT_NE(NULL, self->here);
	for (int i = 0; i < 2; i++)
		pg_fill_range(self->here + i * N * PG, N, SEED);
	ASSERT_EQ(0, vd_register(self->fd, self->here, 2 * N * PG, NULL));
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	ASSERT_EQ(2 * N, m.merged);
	for (int i = 0; i < 2; i++) {
		self->there[i] = peer_call(&self->guest, do_map, N, 0, 0);
		ASSERT_NE(0, self->there[i]);
		peer_call(&self->guest, do_fill, self->there[i], N, SEED);
		self->id[i] = peer_call(&self->guest, do_register,
					self->there[i], N, 0);
		ASSERT_NE(0, self->id[i]);
	}
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	ASSERT_EQ(2 * N, m.merged);
}

FIXTURE_TEARDOWN(unmerge)
{
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(0, peer_call(&self->guest, do_wrong, self->there[i],
				       N, SEED));
	EXPECT_EQ(0, pg_wrong(self->here, N, SEED));
	EXPECT_EQ(0, peer_stop(&self->guest));
	rmdir(CHILD);
	rmdir(CGROUP);
	vd_end(self->fd);
}

/* Let the cgroup have room for so many pages. */
static int leave_room(const char *cgroup, long long pages)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), "%s/memory.current", cgroup);
	snprintf(text, sizeof(text), "%lld",
		 read_number(path) + pages * (long long)PG);
	snprintf(path, sizeof(path), "%s/memory.max", cgroup);
	return write_text(path, text);
}

/* How many of the guest's pages are those of the frames. */
static long long shared(FIXTURE_DATA(unmerge) *self)
{
	long long nr = 0;

	for (int i = 0; i < 2; i++) {
		long long one = pm_same(0, self->here, self->guest.pid,
					(void *)self->there[i], N);

		if (one < 0)
			return -1;
		nr += one;
	}
	return nr;
}

static void refused_then_done(struct __test_metadata *_metadata,
			      FIXTURE_DATA(unmerge) *self, const char *cgroup)
{
	char path[128];
	uint64_t pages = 0;

	ASSERT_EQ(2 * N, shared(self));
	ASSERT_EQ(0, leave_room(cgroup, N / 2));
	EXPECT_EQ(-ENOMEM, vd_unregister(self->fd, self->id[0],
					 VMDEDUP_UNREGISTER_UNMERGE, &pages));
	EXPECT_EQ(0, pages);
	EXPECT_EQ(2 * N, shared(self));
	EXPECT_EQ(0, vd_query(self->fd, self->id[0], 0, NULL));
	snprintf(path, sizeof(path), "%s/memory.max", cgroup);
	ASSERT_EQ(0, write_text(path, "max"));
	EXPECT_EQ(0, vd_unregister(self->fd, self->id[0],
				   VMDEDUP_UNREGISTER_UNMERGE, &pages));
	EXPECT_EQ(N, pages);
	EXPECT_EQ(N, shared(self));
	EXPECT_EQ(-ENOENT, vd_query(self->fd, self->id[0], 0, NULL));
}

TEST_F(unmerge, within_the_cgroup)
{
	refused_then_done(_metadata, self, CHILD);
}

TEST_F(unmerge, within_the_cgroup_above)
{
	refused_then_done(_metadata, self, CGROUP);
}

/*
 * Each alone would fit, but not both: the other stays as it is, and nothing is merged
 * again meanwhile. Nobody's limit keeps those of others merged.
 */
TEST_F(unmerge, each_as_far_as_it_may)
{
	long long unmerged = vd_stat("pages_unmerged");

	ASSERT_EQ(2 * N, shared(self));
	ASSERT_EQ(0, vd_set("run", 1));
	ASSERT_EQ(0, leave_room(CHILD, N + N / 2));
	EXPECT_EQ(-ENOMEM, vd_set("run", 2));
	EXPECT_EQ(0, vd_get("run"));
	EXPECT_EQ(N, vd_stat("pages_shared"));
	EXPECT_EQ(unmerged + 3 * N, vd_stat("pages_unmerged"));
	ASSERT_EQ(0, write_text(CHILD "/memory.max", "max"));
	EXPECT_EQ(0, vd_set("run", 2));
	EXPECT_EQ(2, vd_get("run"));
	EXPECT_EQ(0, shared(self));
	EXPECT_EQ(unmerged + 4 * N, vd_stat("pages_unmerged"));
	/* Nor on request. */
	EXPECT_EQ(0, vd_merge(self->fd, 0, NULL));
	EXPECT_EQ(0, vd_stat("pages_shared"));
}

/* More zero pages than the host has memory for. */
TEST_F(unmerge, more_than_the_host_has)
{
	size_t pages = meminfo_kb("MemTotal") * 1024 / PG;
	uint64_t id, done = 0;
	char *mem;

	if (pages > (16UL << 30) / PG)
		SKIP(return, "too much memory to exceed it");
	mem = pg_map(pages);
	ASSERT_NE(NULL, mem);
	pg_read(mem, pages);
	ASSERT_EQ(0, vd_register(self->fd, mem, pages * PG, &id));
	EXPECT_EQ(-ENOMEM, vd_unregister(self->fd, id,
					 VMDEDUP_UNREGISTER_UNMERGE, &done));
	EXPECT_EQ(-ENOMEM, vd_set("run", 2));
	EXPECT_EQ(2 * N, shared(self));
	EXPECT_TRUE(pfn_is_zero_page(pm_pfn(mem)));
	EXPECT_EQ(0, vd_unregister(self->fd, id, 0, NULL));
	munmap(mem, (pages + 1) * PG);
}

/*
 * Pages that are mapped to the zero page cost their process nothing: as many as the
 * host could not replace. Returns the id, or 0.
 */
static uint64_t do_register_zero(uint64_t pages, uint64_t b, uint64_t c)
{
	char *mem = pg_map(pages);

	(void)b;
	(void)c;
	if (!mem)
		return 0;
	pg_read(mem, pages);
	return do_register((uintptr_t)mem, pages, 0);
}

/* What its own limit keeps somebody from having is not to be had of the host. */
TEST_F(unmerge, nobody_keeps_others_merged)
{
	size_t pages = meminfo_kb("MemTotal") * 1024 / PG;

	if (pages > (16UL << 30) / PG)
		SKIP(return, "too much memory to exceed it");
	ASSERT_NE(0, peer_call(&self->guest, do_register_zero, pages, 0, 0));
	ASSERT_EQ(0, leave_room(CHILD, 2 * N + N / 2));
	ASSERT_EQ(2 * N, shared(self));
	EXPECT_EQ(-ENOMEM, vd_set("run", 2));
	EXPECT_EQ(0, shared(self));
	EXPECT_EQ(0, vd_stat("pages_shared"));
}

/* Merging at the limit of a memory cgroup. */

#define SPARE_PAGES 1024
#define FLAT_OUT 1000000000

FIXTURE(limit) {
	int fd;
	struct peer guest;
	uint64_t there[2];	/* in the guest, N equal pages each */
};

/* As do_map() and do_fill(), but the kernel may take it all back. */
static uint64_t do_lend(uint64_t pages, uint64_t b, uint64_t c)
{
	char *p = pg_map(pages);

	(void)b;
	(void)c;
	if (!p)
		return 1;
	memset(p, 1, pages * PG);
	return madvise(p, pages * PG, MADV_FREE);
}

FIXTURE_SETUP(limit)
{
	VD_SETUP(self->fd);
	if (!make_cgroups())
		SKIP(return, "no memory cgroups");
	ASSERT_EQ(0, peer_start(&self->guest));
	ASSERT_EQ(0, peer_call(&self->guest, do_enter_cgroup,
			       (uintptr_t)CHILD, 0, 0));
	for (int i = 0; i < 2; i++) {
		self->there[i] = peer_call(&self->guest, do_map, N, 0, 0);
		ASSERT_NE(0, self->there[i]);
		peer_call(&self->guest, do_fill, self->there[i], N, SEED);
		ASSERT_NE(0, peer_call(&self->guest, do_register,
				       self->there[i], N, 0));
	}
	ASSERT_EQ(0, vd_set("scan_rate", FLAT_OUT));
}

FIXTURE_TEARDOWN(limit)
{
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(0, peer_call(&self->guest, do_wrong, self->there[i],
				       N, SEED));
	EXPECT_EQ(0, peer_stop(&self->guest));
	rmdir(CHILD);
	rmdir(CGROUP);
	vd_end(self->fd);
}

static bool all_share(long long n)
{
	return vd_stat("pages_sharing") >= n;
}

/* How often somebody had to reclaim because it was above memory.high, or -1. */
static long long high_events(void)
{
	FILE *f = fopen(CHILD "/memory.events", "re");
	long long n = -1;
	char line[64];

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "high %lld", &n);
	if (f)
		fclose(f);
	return n;
}

/*
 * Above memory.high whoever charges more is made to reclaim, and to sleep. The guest
 * does neither here; nor may the scanner, for which all other guests wait.
 */
TEST_F(limit, above_high_the_scanner_goes_on)
{
	long long high;

	ASSERT_EQ(0, write_text(CHILD "/memory.high", "65536"));
	high = high_events();
	ASSERT_LE(0, high);
	ASSERT_EQ(0, vd_set("run", 1));
	EXPECT_TRUE(in_the_end(all_share, N));
	EXPECT_EQ(high, high_events());
	EXPECT_EQ(0, write_text(CHILD "/memory.high", "max"));
}

/* A cgroup that is full, of what can be reclaimed: its guest is merged all the same. */
TEST_F(limit, at_max_it_is_merged)
{
	ASSERT_EQ(0, peer_call(&self->guest, do_lend, SPARE_PAGES, 0, 0));
	ASSERT_EQ(0, leave_room(CHILD, 0));
	ASSERT_EQ(0, vd_set("run", 1));
	EXPECT_TRUE(in_the_end(all_share, N));
	EXPECT_EQ(0, write_text(CHILD "/memory.max", "max"));
}

TEST_HARNESS_MAIN
