// SPDX-License-Identifier: GPL-2.0
/* Who may share with whom, and the tunables that came with it. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "nl.h"
#include "util.h"

#define FEW 64

FIXTURE(policy) {
	int fd;
	struct vn nl;
	struct peer peer[2];
	uint64_t addr[2];
	uint64_t id[2];
};

FIXTURE_SETUP(policy)
{
	ASSERT_EQ(0, peer_start(&self->peer[0]));
	ASSERT_EQ(0, peer_start(&self->peer[1]));
	VD_SETUP(self->fd);
	ASSERT_EQ(0, chmod(VD_DEV, 0666));
	ASSERT_EQ(0, vn_open(&self->nl));
}

FIXTURE_TEARDOWN(policy)
{
	peer_stop(&self->peer[0]);
	peer_stop(&self->peer[1]);
	vn_close(&self->nl);
	chmod(VD_DEV, 0660);
	vd_end(self->fd);
}

static int get_policy(char *text, size_t size)
{
	int fd = open(VD_SYSFS "domain_policy", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, size - 1);

	close(fd);
	text[n < 0 ? 0 : n] = 0;
	return n < 0 ? -errno : 0;
}

/* Each of both gets the pages seed ...; and a user. */
static void begin(struct __test_metadata *_metadata,
		  FIXTURE_DATA(policy) *self, uid_t a, uid_t b)
{
	uid_t uid[2] = { a, b };

	for (int i = 0; i < 2; i++) {
		struct peer *p = &self->peer[i];

		ASSERT_EQ(0, peer_call(p, do_setuid, uid[i], 0, 0));
		self->addr[i] = peer_call(p, do_map, 2 * FEW, 0, 0);
		ASSERT_NE(0, self->addr[i]);
		peer_call(p, do_fill, self->addr[i], FEW, 1);
		self->id[i] = peer_call(p, do_register, self->addr[i], 2 * FEW,
					0);
		ASSERT_NE(0, self->id[i]);
	}
}

/* How many pages of a range both map to the same frame. */
static int shared(FIXTURE_DATA(policy) *self, int first)
{
	uint64_t pfn[2][FEW];
	int nr = 0;

	for (int i = 0; i < 2; i++)
		if (pm_pfns(self->peer[i].pid,
			    (void *)(self->addr[i] + first * PG), FEW, pfn[i]))
			return -1;
	for (int i = 0; i < FEW; i++)
		nr += pfn[0][i] && pfn[0][i] == pfn[1][i];
	return nr;
}

static bool same_domain(FIXTURE_DATA(policy) *self)
{
	struct vn_guest a, b;

	return !vn_guest(&self->nl, 0, self->peer[0].pid, &a) &&
	       !vn_guest(&self->nl, 0, self->peer[1].pid, &b) &&
	       a.domain == b.domain;
}

TEST_F(policy, values)
{
	static const char * const good[] = { "host", "uid", "cgroup", "process" };
	static const char * const bad[] = {
		"", "\n", "hos", "hostt", "HOST", "host uid", "0", "uid ", " uid",
	};
	char text[64], want[64];

	ASSERT_EQ(0, get_policy(text, sizeof(text)));
	EXPECT_STREQ("uid\n", text);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		snprintf(want, sizeof(want), "%s\n", good[i]);
		EXPECT_EQ(0, vd_set_text("domain_policy", want));
		ASSERT_EQ(0, get_policy(text, sizeof(text)));
		EXPECT_STREQ(want, text);
		EXPECT_EQ(0, vd_set_text("domain_policy", good[i]));
	}
	EXPECT_EQ(0, vd_set_text("domain_policy", "cgroup"));
	for (size_t i = 1; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, vd_set_text("domain_policy", bad[i])) {
			TH_LOG("'%s'", bad[i]);
		}
		ASSERT_EQ(0, get_policy(text, sizeof(text)));
		EXPECT_STREQ("cgroup\n", text);
	}
}

TEST_F(policy, numbers)
{
	static const struct {
		const char *name;
		long long def, lo, hi;
	} t[] = {
		{ "cpu_limit", 0, 0, 100 },
		{ "stats_interval_ms", 1000, 100, 3600000 },
		{ "discover", 1, 0, 1 },
	};
	static const char * const bad[] = {
		"", "\n", "x", "-1", "1x", "1 2", "4294967296", "0x", "1.5",
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		EXPECT_EQ(t[i].def, vd_get(t[i].name));
		EXPECT_EQ(0, vd_set(t[i].name, t[i].lo));
		EXPECT_EQ(t[i].lo, vd_get(t[i].name));
		EXPECT_EQ(0, vd_set(t[i].name, t[i].hi));
		EXPECT_EQ(t[i].hi, vd_get(t[i].name));
		EXPECT_EQ(-EINVAL, vd_set(t[i].name, t[i].hi + 1));
		EXPECT_EQ(-EINVAL, vd_set(t[i].name, t[i].lo - 1));
		for (size_t j = 1; j < ARRAY_SIZE(bad); j++) {
			EXPECT_EQ(-EINVAL, vd_set_text(t[i].name, bad[j])) {
				TH_LOG("%s '%s'", t[i].name, bad[j]);
			}
		}
		EXPECT_EQ(t[i].hi, vd_get(t[i].name));
		EXPECT_EQ(0, vd_set(t[i].name, t[i].def));
	}
}

/* With a limit the scanner still gets through. */
TEST_F(policy, cpu_limit_goes_on)
{
	long long scans;

	begin(_metadata, self, 1001, 1001);
	ASSERT_EQ(0, vd_set("cpu_limit", 5));
	ASSERT_EQ(0, vd_set("run", 1));
	scans = vd_stat("full_scans");
	ASSERT_TRUE(vd_stat_rises("full_scans", scans, 2));
	/* One pair in 255 is taken for one page until places are hashed anew. */
	EXPECT_LE(FEW - FEW / 16, shared(self, 0));
}

TEST_F(policy, users_share_with_host)
{
	ASSERT_EQ(0, vd_set_text("domain_policy", "host"));
	begin(_metadata, self, 1001, 1002);
	EXPECT_TRUE(same_domain(self));
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	EXPECT_EQ(FEW, shared(self, 0));
}

TEST_F(policy, users_do_not_share_with_uid)
{
	begin(_metadata, self, 1001, 1002);
	EXPECT_FALSE(same_domain(self));
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	EXPECT_EQ(0, shared(self, 0));
}

TEST_F(policy, processes_do_not_share_with_process)
{
	uint64_t pfn[2];

	ASSERT_EQ(0, vd_set_text("domain_policy", "process"));
	begin(_metadata, self, 1001, 1001);
	EXPECT_FALSE(same_domain(self));
	/* But each within itself. */
	peer_call(&self->peer[0], do_fill, self->addr[0] + FEW * PG, FEW, 1);
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	EXPECT_EQ(0, shared(self, 0));
	ASSERT_EQ(0, pm_pfns(self->peer[0].pid, (void *)self->addr[0], 1, pfn));
	ASSERT_EQ(0, pm_pfns(self->peer[0].pid,
			     (void *)(self->addr[0] + FEW * PG), 1, pfn + 1));
	EXPECT_EQ(pfn[0], pfn[1]);
}

#define CGROUPS "/tmp/vmdedup-cgroups"

static int move_to(pid_t pid, const char *group)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), CGROUPS "/%s", group);
	if (mkdir(path, 0755) && errno != EEXIST)
		return -errno;
	snprintf(path, sizeof(path), CGROUPS "/%s/cgroup.procs", group);
	snprintf(text, sizeof(text), "%d", pid);
	return write_text(path, text);
}

static uint64_t inode(const char *group)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), CGROUPS "/%s", group);
	return stat(path, &st) ? 0 : st.st_ino;
}

TEST_F(policy, cgroups)
{
	struct vn_guest guest;

	mkdir(CGROUPS, 0755);
	umount2(CGROUPS, MNT_DETACH);
	if (mount("cgroup", CGROUPS, "cgroup2", 0, NULL) ||
	    write_text(CGROUPS "/cgroup.subtree_control", "+memory"))
		SKIP(return, "no memory cgroups");
	ASSERT_EQ(0, move_to(self->peer[0].pid, "a"));
	ASSERT_EQ(0, move_to(self->peer[1].pid, "b"));
	ASSERT_EQ(0, vd_set_text("domain_policy", "cgroup"));
	begin(_metadata, self, 1001, 1001);
	EXPECT_FALSE(same_domain(self));
	ASSERT_EQ(0, vn_guest(&self->nl, 0, self->peer[0].pid, &guest));
	EXPECT_EQ(inode("a"), guest.cgroup);
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	EXPECT_EQ(0, shared(self, 0));

	/* Who is moved is among others from the next pass on. */
	ASSERT_EQ(0, move_to(self->peer[1].pid, "a"));
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	EXPECT_TRUE(same_domain(self));
	EXPECT_EQ(FEW, shared(self, 0));

	peer_stop(&self->peer[0]);
	peer_stop(&self->peer[1]);
	rmdir(CGROUPS "/a");
	rmdir(CGROUPS "/b");
	umount(CGROUPS);
}

/* Booted with cgroup_disable=memory: nobody is known to be in another's cgroup. */
TEST_F(policy, cgroups_that_are_not_known)
{
	struct vn_guest guest;

	if (!access("/sys/fs/cgroup/memory.stat", F_OK))
		SKIP(return, "there are memory cgroups");
	ASSERT_EQ(0, vd_set_text("domain_policy", "cgroup"));
	begin(_metadata, self, 1001, 1001);
	ASSERT_EQ(0, vn_guest(&self->nl, 0, self->peer[0].pid, &guest));
	EXPECT_EQ(0, guest.cgroup);
	EXPECT_FALSE(same_domain(self));
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	EXPECT_EQ(0, shared(self, 0));
}

/* What goes on when the main thread of a process has ended: one page of it. */
static int leader_pipe[2];
static uid_t leader_uid;

/* When the pipe ends, become another user, on one's own; and stay. */
static void *survivor(void *arg)
{
	char byte;

	(void)arg;
	if (read(leader_pipe[0], &byte, 1) ||
	    syscall(SYS_setresuid, leader_uid, leader_uid, leader_uid))
		exit(1);
	pause();
	return NULL;
}

/* A process of @uid with the pages 1 ..., registered, without its main thread. */
static void headless(uid_t uid)
{
	char *p = pg_map(FEW);
	pthread_t thread;

	if (!p)
		exit(1);
	pg_fill_range(p, FEW, 1);
	close(leader_pipe[1]);
	/* With root's privileges, to become another one later. */
	if (syscall(SYS_setresuid, uid, 0, 0) ||
	    vd_register(vd_open(), p, FEW * PG, NULL) ||
	    pthread_create(&thread, NULL, survivor, NULL))
		exit(1);
	pthread_exit(NULL);
}

static bool is_headless(long long pid)
{
	char path[64], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%lld/stat", pid);
	f = fopen(path, "re");
	if (f && fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	if (f)
		fclose(f);
	return state == 'Z';
}

TEST_F(policy, main_thread_has_ended)
{
	struct vn_guest guest;
	uint64_t domain;
	pid_t pid;

	begin(_metadata, self, 1001, 1002);
	leader_uid = 1002;
	ASSERT_EQ(0, pipe(leader_pipe));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		headless(1001);
	ASSERT_TRUE(in_the_end(is_headless, pid));
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	ASSERT_EQ(0, vn_guest(&self->nl, 0, pid, &guest));
	domain = guest.domain;
	ASSERT_EQ(0, vn_guest(&self->nl, 0, self->peer[0].pid, &guest));
	EXPECT_EQ(domain, guest.domain);
	EXPECT_EQ(FEW, vd_stat("pages_sharing"));

	close(leader_pipe[1]);
	ASSERT_EQ(0, vn_guest(&self->nl, 0, self->peer[1].pid, &guest));
	for (int i = 0; i < 600 && guest.domain != domain; i++) {
		struct vn_guest now;

		usleep(100000);
		ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
		ASSERT_EQ(0, vn_guest(&self->nl, 0, pid, &now));
		domain = now.domain;
	}
	EXPECT_EQ(domain, guest.domain);
	kill(pid, SIGKILL);
	EXPECT_EQ(pid, waitpid(pid, NULL, 0));
	close(leader_pipe[0]);
}

TEST_F(policy, changes_at_run_time)
{
	begin(_metadata, self, 1001, 1002);
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	EXPECT_EQ(0, shared(self, 0));
	ASSERT_EQ(0, vd_set_text("domain_policy", "host"));
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	EXPECT_EQ(FEW, shared(self, 0));

	/* What is shared stays so; what comes now is not. */
	ASSERT_EQ(0, vd_set_text("domain_policy", "process"));
	for (int i = 0; i < 2; i++)
		peer_call(&self->peer[i], do_fill, self->addr[i] + FEW * PG,
			  FEW, 1);
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	EXPECT_EQ(FEW, shared(self, 0));
	EXPECT_EQ(0, shared(self, FEW));
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(0, peer_call(&self->peer[i], do_wrong, self->addr[i],
				       FEW, 1));
		EXPECT_EQ(0, peer_call(&self->peer[i], do_wrong,
				       self->addr[i] + FEW * PG, FEW, 1));
	}
	/* The way to undo it. */
	ASSERT_EQ(0, vd_set("run", 2));
	EXPECT_EQ(0, shared(self, 0));
	ASSERT_EQ(0, vd_set("run", 0));
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	EXPECT_EQ(0, shared(self, 0));
}

/* Again and again, with all at work: nothing may be lost, nothing stay. */
TEST_F(policy, changes_all_the_time)
{
	static const char * const word[] = { "host", "process", "uid", "cgroup" };
	long long scans;

	begin(_metadata, self, 1001, 1002);
	ASSERT_EQ(0, vd_set("scan_rate", 1000000));
	ASSERT_EQ(0, vd_set("run", 1));
	for (int i = 0; i < 40; i++) {
		ASSERT_EQ(0, vd_set_text("domain_policy", word[i % 4]));
		for (int j = 0; j < 2; j++)
			peer_call(&self->peer[j], do_fill, self->addr[j], FEW, 1);
		/* Nobody shares across them from now on. */
		if (i % 4 == 1) {
			scans = vd_stat("full_scans");
			ASSERT_TRUE(vd_stat_rises("full_scans", scans, 2));
			EXPECT_EQ(0, shared(self, 0));
		}
		usleep(20000);
	}
	for (int j = 0; j < 2; j++)
		EXPECT_EQ(0, peer_call(&self->peer[j], do_wrong, self->addr[j],
				       FEW, 1));
}

TEST_HARNESS_MAIN
