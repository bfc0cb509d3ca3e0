// SPDX-License-Identifier: GPL-2.0
/*
 * What is refused for whose it is or what it is: permissions, memory that
 * cannot be merged, and values that a tunable does not take.
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "util.h"

#define N 16

FIXTURE(refuse) {
	int fd;
	char *a;
	uint64_t id;
	long long regions;
};

FIXTURE_SETUP(refuse)
{
	VD_SETUP(self->fd);
	self->a = pg_map(N);
	ASSERT_NE(NULL, self->a);
	pg_fill_range(self->a, N, 1);
	ASSERT_EQ(0, vd_register(self->fd, self->a, N * PG, &self->id));
	self->regions = vd_stat("regions");
}

FIXTURE_TEARDOWN(refuse)
{
	EXPECT_EQ(self->regions, vd_stat("regions"));
	chmod(VD_DEV, 0660);
	vd_end(self->fd);
}

static int register_pid(int fd, pid_t pid, void *start, size_t pages)
{
	struct vmdedup_register r = {
		.size = sizeof(r),
		.pid = pid,
		.start = (uintptr_t)start,
		.length = pages * PG,
	};
	struct vmdedup_register was = r;
	int ret = vd_register_raw(fd, &r);

	if (!ret) {
		vd_unregister(fd, r.region_id, 0, NULL);
		return 0;
	}
	return memcmp(&r, &was, sizeof(r)) ? -EBADMSG : ret;
}

static int register_all(int fd, pid_t pid)
{
	struct vmdedup_register r = {
		.size = sizeof(r),
		.flags = VMDEDUP_REGISTER_ALL,
		.pid = pid,
	};

	return vd_register_raw(fd, &r);
}

TEST_F(refuse, processes)
{
	pid_t pid;

	EXPECT_EQ(-EINVAL, register_pid(self->fd, -1, self->a, N));
	EXPECT_EQ(-EINVAL, register_pid(self->fd, INT32_MIN, self->a, N));
	EXPECT_EQ(-ESRCH, register_pid(self->fd, INT32_MAX, self->a, N));
	/* kthreadd: a process without memory of its own. */
	EXPECT_EQ(-ESRCH, register_pid(self->fd, 2, self->a, N));
	EXPECT_EQ(-ESRCH, register_all(self->fd, 2));

	pid = fork();
	if (!pid)
		_exit(0);
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, waitid(P_PID, pid, &(siginfo_t){ 0 }, WEXITED | WNOWAIT));
	EXPECT_EQ(-ESRCH, register_pid(self->fd, pid, self->a, N));
	EXPECT_EQ(-ESRCH, register_all(self->fd, pid));
	waitpid(pid, NULL, 0);
	EXPECT_EQ(-ESRCH, register_pid(self->fd, pid, self->a, N));
}

/* Run by a peer that is not root: what it gets for calls on another's memory. */
static uint64_t try_foreign(uint64_t call, uint64_t pid, uint64_t id)
{
	int fd = vd_open(), ret = fd;
	struct vmdedup_merge m;
	char *p = pg_map(N);

	if (fd < 0 || !p)
		return -fd;
	pg_fill_range(p, N, 1);
	switch (call) {
	case 0:
		ret = register_pid(fd, pid, p, N);
		break;
	case 1:
		ret = register_all(fd, pid);
		break;
	case 2:
		ret = vd_query(fd, id, 0, NULL);
		break;
	case 3:
		ret = vd_merge(fd, id, NULL);
		break;
	case 4:
		ret = vd_unregister(fd, id, VMDEDUP_UNREGISTER_UNMERGE, NULL);
		break;
	case 5:
		/* It sees no region of another. */
		ret = vd_query(fd, 0, VMDEDUP_QUERY_NEXT, NULL);
		break;
	case 6:
		/* Its own memory is its own business. */
		ret = vd_register(fd, p, N * PG, NULL);
		break;
	case 7:
		/* All that it may manage: nothing, here. */
		ret = vd_merge(fd, 0, &m);
		if (!ret)
			ret = m.scanned ? -EBADMSG : 0;
		break;
	}
	close(fd);
	munmap(p, N * PG);
	return -ret;
}

TEST_F(refuse, without_permission)
{
	struct peer p;

	ASSERT_EQ(0, chmod(VD_DEV, 0666));
	ASSERT_EQ(0, peer_start(&p));
	ASSERT_EQ(0, peer_call(&p, do_setuid, 1001, 0, 0));
	EXPECT_EQ(EPERM, peer_call(&p, try_foreign, 0, getpid(), 0));
	EXPECT_EQ(EPERM, peer_call(&p, try_foreign, 0, 1, 0));
	EXPECT_EQ(EPERM, peer_call(&p, try_foreign, 1, getpid(), 0));
	EXPECT_EQ(EPERM, peer_call(&p, try_foreign, 1, 1, 0));
	EXPECT_EQ(EPERM, peer_call(&p, try_foreign, 2, 0, self->id));
	EXPECT_EQ(EPERM, peer_call(&p, try_foreign, 3, 0, self->id));
	EXPECT_EQ(EPERM, peer_call(&p, try_foreign, 4, 0, self->id));
	EXPECT_EQ(ENOENT, peer_call(&p, try_foreign, 5, 0, 0));
	EXPECT_EQ(0, peer_call(&p, try_foreign, 6, 0, 0));
	EXPECT_EQ(0, peer_call(&p, try_foreign, 7, 0, 0));
	EXPECT_EQ(0, peer_call(&p, try_foreign, 0, p.pid, 0));
	EXPECT_EQ(0, peer_stop(&p));
	EXPECT_EQ(0, vd_query(self->fd, self->id, 0, NULL));
}

/* The descriptor of one who may does not lend its permission. */
TEST_F(refuse, borrowed_descriptor)
{
	pid_t pid = fork();
	int status;

	ASSERT_LE(0, pid);
	if (!pid) {
		int ret = 0;

		if (setresuid(1001, 1001, 1001))
			_exit(100);
		ret |= vd_query(self->fd, self->id, 0, NULL) != -EPERM;
		ret |= 2 * (vd_unregister(self->fd, self->id, 0, NULL) !=
			    -EPERM);
		ret |= 4 * (register_pid(self->fd, getppid(), self->a, N) !=
			    -EPERM);
		_exit(ret);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* Nothing of it can be merged: refused with the reason, and all counted. */
static void expect_reason(struct __test_metadata *_metadata,
			  FIXTURE_DATA(refuse) *self, void *p, size_t bytes,
			  uint32_t reason)
{
	struct vmdedup_register r = {
		.size = sizeof(r),
		.start = (uintptr_t)p,
		.length = bytes,
	};

	EXPECT_EQ(-EOPNOTSUPP, vd_register_raw(self->fd, &r));
	EXPECT_EQ(reason, r.reason);
	EXPECT_EQ(bytes, r.refused);
	EXPECT_EQ(0, r.eligible);
	EXPECT_EQ(0, r.region_id);
	EXPECT_EQ(self->regions, vd_stat("regions"));
}

TEST_F(refuse, shared_memory)
{
	int fd = memfd_create("shared", 0);
	char *p = mmap(NULL, N * PG, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *q;

	ASSERT_NE(MAP_FAILED, p);
	memset(p, 1, N * PG);
	expect_reason(_metadata, self, p, N * PG, VMDEDUP_SKIP_SHARED);
	ASSERT_EQ(0, ftruncate(fd, N * PG));
	q = mmap(NULL, N * PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, q);
	memset(q, 1, N * PG);
	expect_reason(_metadata, self, q, N * PG, VMDEDUP_SKIP_SHARED);
}

TEST_F(refuse, hugetlb)
{
	long long pages = read_number("/proc/sys/vm/nr_hugepages");
	char *p = MAP_FAILED;

	if (pages >= 0 && !write_text("/proc/sys/vm/nr_hugepages", "2"))
		p = mmap(NULL, HPAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE |
			 MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (p == MAP_FAILED) {
		write_text("/proc/sys/vm/nr_hugepages", "0");
		SKIP(return, "no hugetlb pages to be had");
	}
	memset(p, 1, HPAGE);
	expect_reason(_metadata, self, p, HPAGE, VMDEDUP_SKIP_HUGETLB);
	munmap(p, HPAGE);
	write_text("/proc/sys/vm/nr_hugepages", "0");
}

TEST_F(refuse, file)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	char *p = mmap(NULL, PG, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	ASSERT_NE(MAP_FAILED, p);
	*(volatile char *)p = 1;
	expect_reason(_metadata, self, p, PG, VMDEDUP_SKIP_FILE);
}

TEST_F(refuse, locked)
{
	char *p = pg_map(N);

	ASSERT_NE(NULL, p);
	ASSERT_EQ(0, mlock(p, N * PG));
	expect_reason(_metadata, self, p, N * PG, VMDEDUP_SKIP_LOCKED);
}

TEST_F(refuse, special)
{
	unsigned long start, end;
	char line[256];
	FILE *f = fopen("/proc/self/maps", "r");
	void *p = NULL;

	ASSERT_NE(NULL, f);
	while (fgets(line, sizeof(line), f))
		if (strstr(line, "[vvar]") &&
		    sscanf(line, "%lx-%lx", &start, &end) == 2) {
			p = (void *)start;
			break;
		}
	fclose(f);
	if (!p)
		SKIP(return, "no vvar mapping");
	expect_reason(_metadata, self, p, end - start, VMDEDUP_SKIP_SPECIAL);
}

TEST_F(refuse, userfaultfd)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register u = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	char *p = pg_map(N);

	if (fd < 0)
		SKIP(return, "no userfaultfd");
	memset(p, 1, N * PG);
	ASSERT_EQ(0, ioctl(fd, UFFDIO_API, &api));
	u.range.start = (uintptr_t)p;
	u.range.len = N * PG;
	ASSERT_EQ(0, ioctl(fd, UFFDIO_REGISTER, &u));
	expect_reason(_metadata, self, p, N * PG, VMDEDUP_SKIP_UFFD);
	close(fd);
}

/* Registered in time, unfit later: skipped and counted. */
TEST_F(refuse, becomes_unfit)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register u = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct vmdedup_merge m;
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	uint64_t pfn;

	if (fd < 0)
		SKIP(return, "no userfaultfd");
	for (size_t i = 0; i < N; i++)
		pg_fill(self->a + i * PG, 3);
	ASSERT_EQ(0, ioctl(fd, UFFDIO_API, &api));
	u.range.start = (uintptr_t)self->a;
	u.range.len = N / 2 * PG;
	ASSERT_EQ(0, ioctl(fd, UFFDIO_REGISTER, &u));
	pfn = pm_pfn(self->a);
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	EXPECT_EQ(N / 2, m.merged);
	EXPECT_EQ(N / 2, m.skipped[VMDEDUP_SKIP_UFFD]);
	EXPECT_EQ(pfn, pm_pfn(self->a));
	close(fd);
	ASSERT_EQ(0, vd_merge(self->fd, 0, &m));
	EXPECT_EQ(N / 2, m.merged);
	EXPECT_EQ(0, m.skipped[VMDEDUP_SKIP_UFFD]);
}

/* Some of it can be merged: registered, and the rest told. */
TEST_F(refuse, part_of_it)
{
	char *p = pg_map(2 * N);
	struct vmdedup_register r = {
		.size = sizeof(r),
		.start = (uintptr_t)p,
		.length = 2 * N * PG,
	};

	ASSERT_NE(NULL, p);
	ASSERT_EQ(0, mlock(p, N / 2 * PG));
	ASSERT_EQ(0, munmap(p + (2 * N - 2) * PG, 2 * PG));
	ASSERT_EQ(0, vd_register_raw(self->fd, &r));
	EXPECT_EQ(N / 2 * PG, r.refused);
	EXPECT_EQ((2 * N - 2 - N / 2) * PG, r.eligible);
	EXPECT_EQ(VMDEDUP_SKIP_LOCKED, r.reason);
	EXPECT_EQ(0, vd_unregister(self->fd, r.region_id, 0, NULL));
}

static const char * const garbage[] = {
	"\n", " ", "x", "-1", "1x", "1 2", "0x", "1.5", "one",
};

TEST_F(refuse, tunables)
{
	static const struct {
		const char *name;
		long long fits;
		const char *not[4];
	} tunables[] = {
		{ "run", 0, { "3", "255" } },
		{ "scan_rate", 1234, { 0 } },
		{ "target_pass_secs", 100, { 0 } },
		{ "huge_split_pages", 100, { "0", "513", "1000000" } },
		{ "merge_run_pages", 100, { "0", "513", "1000000" } },
		{ "discover", 0, { "2", "255" } },
		{ "threads", 3, { "65", "255", "1000000" } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(tunables); i++) {
		const char *name = tunables[i].name;
		long long was = vd_get(name);
		int ret;

		ASSERT_LE(0, was);
		ASSERT_EQ(0, vd_set(name, tunables[i].fits));
		EXPECT_EQ(tunables[i].fits, vd_get(name));
		for (size_t k = 0; k < ARRAY_SIZE(garbage); k++) {
			EXPECT_EQ(-EINVAL, vd_set_text(name, garbage[k]))
				TH_LOG("%s: '%s'", name, garbage[k]);
		}
		for (size_t k = 0; k < 4 && tunables[i].not[k]; k++) {
			EXPECT_EQ(-EINVAL, vd_set_text(name,
						       tunables[i].not[k]))
				TH_LOG("%s: %s", name, tunables[i].not[k]);
		}
		/* Beyond any integer: the kernel's parsers say ERANGE. */
		ret = vd_set_text(name, "99999999999999999999999");
		EXPECT_TRUE(ret == -EINVAL || ret == -ERANGE);
		EXPECT_EQ(tunables[i].fits, vd_get(name));
		ASSERT_EQ(0, vd_set(name, was));
	}
}

TEST_F(refuse, statistics_are_read_only)
{
	EXPECT_LE(0, vd_stat("pages_shared"));
	EXPECT_GT(0, vd_set_text("stats/pages_shared", "0"));
	EXPECT_GT(0, vd_set_text("stats/regions", "0"));
}

/* Each reason of the header has its counter. */
static const char * const reasons[] = {
#define REASON_NAME(NAME, name, text) "skip_" #name,
	VMDEDUP_SKIP_REASONS(REASON_NAME)
#undef REASON_NAME
};

TEST_F(refuse, every_reason_is_counted)
{
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
		EXPECT_LE(0, vd_stat(reasons[i])) {
			TH_LOG("%s", reasons[i]);
		}
	}
}

TEST_HARNESS_MAIN
