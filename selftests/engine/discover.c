// SPDX-License-Identifier: GPL-2.0
/*
 * Discovery of virtual machines: nothing is registered here unless a test says
 * so. A virtual machine needs no processor to have memory slots, so all of this
 * takes /dev/kvm and no guest. Run by selftests/kvm/discovery.sh, with both
 * modules loaded.
 *
 * No test depends on how long discovery takes: "searched" means two complete
 * searches more, the second of which began after what is waited for.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "kselftest_harness.h"
#include "nl.h"
#include "util.h"
#include "vm.h"

#define N	64
#define SEED	0x2200
#define STATS	"/sys/module/vmdedup_kvm/parameters/"
#define MIB	(1UL << 20)

static long long stat_of(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), STATS "%s", name);
	return read_number(path);
}

/*
 * Until it has searched: two minutes would mean that it does not. Whoever writes
 * the tunable has it search at once.
 */
static bool searched(void)
{
	long long on = vd_get("discover");
	/* A poll without a search says that there is nothing to search for. */
	const char *name = on ? "searches" : "polls";

	for (int i = 0; i < 2; i++) {
		long long from = stat_of(name);
		int tries = 12000;

		vd_set("discover", on);
		while (stat_of(name) == from && tries--)
			usleep(10000);
		if (from < 0 || tries < 0)
			return false;
	}
	return true;
}

/*
 * ... and has dropped what it has found to be gone: for that it looks twice, some
 * time apart.
 */
static bool settled(void)
{
	return searched() && usleep(600000) == 0 && searched();
}

/* Discovered regions in [addr, addr + bytes) of a process; the last one's @q. */
static int found_in(int fd, pid_t pid, const void *addr, size_t bytes,
		    struct vmdedup_query *q)
{
	struct vmdedup_query each;
	uint64_t id = 0;
	int nr = 0;

	while (!vd_query(fd, id, VMDEDUP_QUERY_NEXT, &each)) {
		id = each.region_id;
		if (each.pid != pid || each.start < (uintptr_t)addr ||
		    each.start >= (uintptr_t)addr + bytes ||
		    !(each.region_flags & VMDEDUP_REGION_DISCOVERED))
			continue;
		nr++;
		if (q)
			*q = each;
	}
	return nr;
}

static int found_of(int fd, pid_t pid)
{
	return found_in(fd, pid, NULL, 1UL << 47, NULL);
}

/* The region that is exactly this range; 0: none. */
static uint64_t found_at(int fd, const void *addr, size_t bytes)
{
	struct vmdedup_query q;

	if (found_in(fd, getpid(), addr, bytes, &q) != 1 ||
	    q.start != (uintptr_t)addr || q.length != bytes)
		return 0;
	return q.region_id;
}

/* A peer's virtual machine, with all of its memory in slot 0; 1 if it worked. */
static uint64_t do_vm(uint64_t addr, uint64_t pages, uint64_t gpa)
{
	int vm = vm_make();

	return vm >= 0 && !slot_set(vm, 0, 0, gpa, (void *)addr, pages * PG);
}

static long long ms_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

FIXTURE(discover) {
	int fd;
	int vm;
	char *a;
};

FIXTURE_SETUP(discover)
{
	VD_SETUP(self->fd);
	if (access(STATS, F_OK))
		SKIP(return, "vmdedup_kvm is not loaded");
	self->vm = vm_make();
	if (self->vm == -ENOENT || self->vm == -ENODEV)
		SKIP(return, "no /dev/kvm");
	ASSERT_LE(0, self->vm);
	self->a = pg_map(N);
	ASSERT_NE(NULL, self->a);
	pg_fill_range(self->a, N, SEED);
}

/* Nothing is left of a virtual machine once it is closed. */
FIXTURE_TEARDOWN(discover)
{
	close(self->vm);
	EXPECT_EQ(0, vd_set("discover", 1));
	EXPECT_TRUE(settled());
	EXPECT_EQ(0, found_of(self->fd, getpid()));
	EXPECT_EQ(0, stat_of("ranges"));
	EXPECT_EQ(0, stat_of("vms"));
	vd_end(self->fd);
}

TEST_F(discover, found_and_merged)
{
	struct vmdedup_query q;
	struct peer p;
	long long began;
	uint64_t addr;

	ASSERT_EQ(0, pg_keep(self->a, N));
	ASSERT_EQ(0, peer_start(&p));
	addr = peer_call(&p, do_map, N, 0, 0);
	ASSERT_NE(0, addr);
	peer_call(&p, do_fill, addr, N, SEED);
	began = ms_now();
	ASSERT_EQ(1, peer_call(&p, do_vm, addr, N, 0));
	ASSERT_EQ(0, slot_set(self->vm, 3, 0, 16 * MIB, self->a, N * PG));
	for (int i = 0; i < 6000 && !(found_of(self->fd, getpid()) &&
				      found_of(self->fd, p.pid)); i++)
		usleep(10000);
	TH_LOG("both were found after %lld ms", ms_now() - began);
	ASSERT_EQ(1, found_of(self->fd, p.pid));
	ASSERT_EQ(1, found_in(self->fd, getpid(), self->a, N * PG, &q));
	EXPECT_EQ((uintptr_t)self->a, q.start);
	EXPECT_EQ(N * PG, q.length);
	EXPECT_EQ(VMDEDUP_REGION_DISCOVERED, q.region_flags);
	EXPECT_EQ(getuid(), q.uid);
	/* What nobody registered is merged like anything else. */
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	ASSERT_EQ(0, vd_query(self->fd, q.region_id, VMDEDUP_QUERY_COUNT, &q));
	EXPECT_EQ(N, q.merged);
	EXPECT_EQ(0, pg_wrong(self->a, N, SEED));
	EXPECT_EQ(0, peer_call(&p, do_wrong, addr, N, SEED));
	/* And stays merged when it is discovered no more. */
	EXPECT_EQ(0, vd_set("discover", 0));
	EXPECT_TRUE(searched());
	EXPECT_EQ(-ENOENT, vd_query(self->fd, q.region_id, 0, NULL));
	EXPECT_LE(N, vd_stat("pages_sharing"));
	EXPECT_EQ(0, pg_wrong(self->a, N, SEED));
	peer_stop(&p);
}

TEST_F(discover, found_by_the_scanner)
{
	long long merged = vd_stat("pages_merged");
	struct peer p;
	uint64_t addr;

	ASSERT_EQ(0, vd_set("run", 1));
	ASSERT_EQ(0, pg_keep(self->a, N));
	ASSERT_EQ(0, peer_start(&p));
	addr = peer_call(&p, do_map, N, 0, 0);
	peer_call(&p, do_fill, addr, N, SEED);
	ASSERT_EQ(1, peer_call(&p, do_vm, addr, N, 0));
	ASSERT_EQ(0, slot_set(self->vm, 0, 0, 0, self->a, N * PG));
	EXPECT_TRUE(vd_stat_rises("pages_merged", merged, N));
	EXPECT_EQ(0, pg_wrong(self->a, N, SEED));
	peer_stop(&p);
}

TEST_F(discover, slots_come_move_and_go)
{
	const size_t half = N / 2 * PG;
	uint64_t first, second, moved;

	ASSERT_EQ(0, slot_set(self->vm, 1, 0, 4 * MIB, self->a, half));
	ASSERT_TRUE(searched());
	first = found_at(self->fd, self->a, half);
	ASSERT_NE(0, first);
	/* One that is plugged in. */
	ASSERT_EQ(0, slot_set(self->vm, 2, 0, 8 * MIB, self->a + half, half));
	ASSERT_TRUE(searched());
	second = found_at(self->fd, self->a + half, half);
	EXPECT_NE(0, second);
	EXPECT_EQ(first, found_at(self->fd, self->a, half));
	/* The same memory elsewhere in the guest is another region. */
	ASSERT_EQ(0, slot_set(self->vm, 2, 0, 12 * MIB, self->a + half, half));
	ASSERT_TRUE(settled());
	moved = found_at(self->fd, self->a + half, half);
	EXPECT_NE(0, moved);
	EXPECT_NE(second, moved);
	EXPECT_EQ(first, found_at(self->fd, self->a, half));
	/* One that is unplugged. */
	ASSERT_EQ(0, slot_set(self->vm, 2, 0, 12 * MIB, self->a + half, 0));
	ASSERT_TRUE(settled());
	EXPECT_EQ(0, found_at(self->fd, self->a + half, half));
	EXPECT_EQ(first, found_at(self->fd, self->a, half));
	EXPECT_EQ(1, stat_of("ranges"));
}

/* What an emulator does when a guest boots again. */
TEST_F(discover, regions_outlive_how_slots_are_cut)
{
	char *p = pg_map(1024);
	uint64_t low, high;

	ASSERT_NE(NULL, p);
	/* All in one piece: cut at 1 MiB all the same. */
	ASSERT_EQ(0, slot_set(self->vm, 0, 0, 0, p, 4 * MIB));
	ASSERT_TRUE(searched());
	low = found_at(self->fd, p, MIB);
	high = found_at(self->fd, p + MIB, 3 * MIB);
	EXPECT_NE(0, low);
	ASSERT_NE(0, high);
	/* In pieces, with a hole, read-only ones, and other numbers. */
	ASSERT_EQ(0, slot_set(self->vm, 0, 0, 0, p, 0));
	ASSERT_EQ(0, slot_set(self->vm, 5, 0, 0, p, 640 << 10));
	ASSERT_EQ(0, slot_set(self->vm, 6, KVM_MEM_READONLY, 768 << 10,
			      p + (768 << 10), 128 << 10));
	ASSERT_EQ(0, slot_set(self->vm, 7, 0, 896 << 10, p + (896 << 10),
			      128 << 10));
	ASSERT_EQ(0, slot_set(self->vm, 8, 0, MIB, p + MIB, 2 * MIB));
	ASSERT_EQ(0, slot_set(self->vm, 9, 0, 3 * MIB, p + 3 * MIB, MIB));
	ASSERT_TRUE(settled());
	EXPECT_EQ(high, found_at(self->fd, p + MIB, 3 * MIB));
	EXPECT_EQ(3, found_in(self->fd, getpid(), p, MIB, NULL));
	/* And back again. */
	for (int slot = 5; slot <= 9; slot++)
		ASSERT_EQ(0, slot_set(self->vm, slot, 0, 0, p, 0));
	ASSERT_EQ(0, slot_set(self->vm, 0, 0, 0, p, 4 * MIB));
	ASSERT_TRUE(settled());
	EXPECT_EQ(high, found_at(self->fd, p + MIB, 3 * MIB));
	/* The three of before, and what was a hole. */
	EXPECT_EQ(4, found_in(self->fd, getpid(), p, MIB, NULL));
}

TEST_F(discover, aliases_are_registered_once)
{
	struct vmdedup_query q;

	ASSERT_EQ(0, slot_set(self->vm, 0, 0, 4 * MIB, self->a, N * PG));
	ASSERT_TRUE(searched());
	EXPECT_NE(0, found_at(self->fd, self->a, N * PG));
	/* The same once more, and a part of it. */
	ASSERT_EQ(0, slot_set(self->vm, 1, 0, 64 * MIB, self->a, N * PG));
	ASSERT_EQ(0, slot_set(self->vm, 2, KVM_MEM_READONLY, 128 * MIB,
			      self->a + 8 * PG, 8 * PG));
	ASSERT_TRUE(searched());
	EXPECT_NE(0, found_at(self->fd, self->a, N * PG));
	EXPECT_EQ(0, stat_of("refused"));
	/* The first goes: the others still hold the memory. */
	ASSERT_EQ(0, slot_set(self->vm, 0, 0, 4 * MIB, self->a, 0));
	ASSERT_TRUE(settled());
	EXPECT_NE(0, found_at(self->fd, self->a, N * PG));
	/* Only the part is left. */
	ASSERT_EQ(0, slot_set(self->vm, 1, 0, 64 * MIB, self->a, 0));
	ASSERT_TRUE(settled());
	ASSERT_EQ(1, found_in(self->fd, getpid(), self->a, N * PG, &q));
	EXPECT_EQ((uintptr_t)self->a + 8 * PG, q.start);
	EXPECT_EQ(8 * PG, q.length);
}

/* Memory that cannot be merged: the region tells why. */
TEST_F(discover, shared_memory_is_found_and_explained)
{
	int memfd = memfd_create("ram", MFD_CLOEXEC);
	struct vmdedup_query q;
	char *p;

	ASSERT_LE(0, memfd);
	ASSERT_EQ(0, ftruncate(memfd, N * PG));
	p = mmap(NULL, N * PG, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	ASSERT_NE(MAP_FAILED, p);
	pg_fill_range(p, N, SEED);
	ASSERT_EQ(0, slot_set(self->vm, 0, 0, 0, p, N * PG));
	ASSERT_TRUE(searched());
	ASSERT_NE(0, found_at(self->fd, p, N * PG));
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	ASSERT_EQ(1, found_in(self->fd, getpid(), p, N * PG, &q));
	EXPECT_EQ(N, q.skipped[VMDEDUP_SKIP_SHARED]);
	EXPECT_EQ(0, q.merged);
	/* A slot with nothing mapped behind it. */
	munmap(p, N * PG);
	ASSERT_EQ(0, vd_merge(self->fd, 0, NULL));
	EXPECT_EQ(1, found_of(self->fd, getpid()));
	close(memfd);
}

TEST_F(discover, what_is_registered_by_hand_is_left_alone)
{
	struct vmdedup_register r = {
		.size = sizeof(r),
		.start = (uintptr_t)self->a,
		.length = N / 2 * PG,
	};
	struct vmdedup_query q;

	ASSERT_EQ(0, vd_register_raw(self->fd, &r));
	ASSERT_EQ(0, slot_set(self->vm, 0, 0, 0, self->a, N * PG));
	ASSERT_TRUE(searched());
	EXPECT_EQ(0, found_of(self->fd, getpid()));
	EXPECT_EQ(1, stat_of("refused"));
	ASSERT_EQ(0, vd_query(self->fd, r.region_id, 0, &q));
	EXPECT_EQ(0, q.region_flags);
	/* It is out of the way, and there is a reason to look again. */
	ASSERT_EQ(0, vd_unregister(self->fd, r.region_id, 0, NULL));
	ASSERT_EQ(0, slot_set(self->vm, 1, 0, 64 * MIB, self->a, PG));
	ASSERT_TRUE(searched());
	EXPECT_EQ(1, found_of(self->fd, getpid()));
	EXPECT_EQ(0, stat_of("refused"));
}

/* Both hold it, and each can let go. */
TEST_F(discover, what_is_found_can_be_registered)
{
	struct vmdedup_register r = {
		.size = sizeof(r),
		.start = (uintptr_t)self->a,
		.length = N * PG,
	};
	struct vmdedup_query q;
	uint64_t id;

	ASSERT_EQ(0, slot_set(self->vm, 0, 0, 0, self->a, N * PG));
	ASSERT_TRUE(searched());
	id = found_at(self->fd, self->a, N * PG);
	ASSERT_NE(0, id);
	ASSERT_EQ(0, vd_register_raw(self->fd, &r));
	EXPECT_EQ(id, r.region_id);
	EXPECT_EQ(VMDEDUP_REGISTERED_EXISTS, r.out_flags);
	ASSERT_EQ(0, vd_set("discover", 0));
	ASSERT_TRUE(searched());
	ASSERT_EQ(0, vd_query(self->fd, id, 0, &q));
	EXPECT_EQ(0, q.region_flags);
	EXPECT_EQ(0, vd_unregister(self->fd, id, 0, NULL));
}

TEST_F(discover, unregistered_by_hand_stays_so)
{
	uint64_t id;

	ASSERT_EQ(0, slot_set(self->vm, 0, 0, 0, self->a, N * PG));
	ASSERT_TRUE(searched());
	id = found_at(self->fd, self->a, N * PG);
	ASSERT_NE(0, id);
	ASSERT_EQ(0, vd_unregister(self->fd, id, 0, NULL));
	ASSERT_TRUE(searched());
	EXPECT_EQ(0, found_of(self->fd, getpid()));
	/* Until discovery begins anew. */
	ASSERT_EQ(0, vd_set("discover", 0));
	ASSERT_TRUE(searched());
	ASSERT_EQ(0, vd_set("discover", 1));
	ASSERT_TRUE(searched());
	EXPECT_NE(0, found_at(self->fd, self->a, N * PG));
}

TEST_F(discover, switched_off_and_on)
{
	ASSERT_EQ(0, slot_set(self->vm, 0, 0, 0, self->a, N * PG));
	ASSERT_TRUE(searched());
	EXPECT_EQ(1, found_of(self->fd, getpid()));
	ASSERT_EQ(0, vd_set("discover", 0));
	/* At once, and not with the next poll only; but not before we look. */
	for (int i = 0; i < 6000 && found_of(self->fd, getpid()); i++)
		usleep(10000);
	EXPECT_EQ(0, found_of(self->fd, getpid()));
	EXPECT_EQ(0, stat_of("guests"));
	ASSERT_EQ(0, vd_set("discover", 1));
	ASSERT_TRUE(searched());
	EXPECT_EQ(1, found_of(self->fd, getpid()));
}

/* By whoever may: at once, for as long as the process lives, and undone likewise. */
TEST_F(discover, excluded_processes_are_left_alone)
{
	struct vn_guest guest;
	struct vn nl;

	ASSERT_EQ(0, vn_open(&nl));
	ASSERT_EQ(0, slot_set(self->vm, 0, 0, 0, self->a, N * PG));
	ASSERT_TRUE(searched());
	ASSERT_EQ(0, vn_guest(&nl, 0, getpid(), &guest));
	EXPECT_EQ(1, guest.kvm);
	EXPECT_EQ(0, guest.excluded);
	EXPECT_EQ(1, guest.regions);
	ASSERT_EQ(0, vn_exclude(&nl, getpid(), 1));
	for (int i = 0; i < 6000 && found_of(self->fd, getpid()); i++)
		usleep(10000);
	EXPECT_EQ(0, found_of(self->fd, getpid()));
	ASSERT_TRUE(searched());
	EXPECT_EQ(0, found_of(self->fd, getpid()));
	EXPECT_EQ(0, stat_of("guests"));
	ASSERT_EQ(0, vn_exclude(&nl, getpid(), 0));
	ASSERT_TRUE(searched());
	EXPECT_EQ(1, found_of(self->fd, getpid()));
	vn_close(&nl);
}

/* Where the memory is in the guest is known of each region. */
TEST_F(discover, guest_physical_layout)
{
	struct vn_region region;
	uint64_t low, high;
	struct vn nl;
	char *p = pg_map(1024);

	ASSERT_NE(NULL, p);
	ASSERT_EQ(0, vn_open(&nl));
	ASSERT_EQ(0, slot_set(self->vm, 7, 0, 512 << 10, p, 4 * MIB));
	ASSERT_TRUE(searched());
	low = found_at(self->fd, p, MIB / 2);
	high = found_at(self->fd, p + MIB / 2, 4 * MIB - MIB / 2);
	ASSERT_EQ(0, vn_region(&nl, low, &region));
	EXPECT_EQ(MIB / 2, region.gpa);
	EXPECT_EQ(7, region.slot);
	ASSERT_EQ(0, vn_region(&nl, high, &region));
	EXPECT_EQ(MIB, region.gpa);
	EXPECT_EQ(7, region.slot);
	/* The same memory by another slot is the same region. */
	ASSERT_EQ(0, slot_set(self->vm, 7, 0, 0, p, 0));
	ASSERT_EQ(0, slot_set(self->vm, 9, 0, 512 << 10, p, 4 * MIB));
	ASSERT_TRUE(settled());
	ASSERT_EQ(0, vn_region(&nl, high, &region));
	EXPECT_EQ(MIB, region.gpa);
	EXPECT_EQ(9, region.slot);
	vn_close(&nl);
}

TEST_F(discover, several_virtual_machines_in_one_process)
{
	const size_t half = N / 2 * PG;
	int vm = vm_make(), copy;
	uint64_t id;

	ASSERT_LE(0, vm);
	/* The first half belongs to both, at the same place. */
	ASSERT_EQ(0, slot_set(self->vm, 0, 0, 0, self->a, half));
	ASSERT_EQ(0, slot_set(vm, 0, 0, 0, self->a, N * PG));
	copy = dup(vm);
	ASSERT_TRUE(searched());
	EXPECT_EQ(2, stat_of("vms"));
	EXPECT_EQ(1, stat_of("guests"));
	EXPECT_EQ(2, found_of(self->fd, getpid()));
	id = found_at(self->fd, self->a, half);
	EXPECT_NE(0, id);
	/* One goes: only what belonged to it alone goes with it. */
	close(copy);
	ASSERT_TRUE(searched());
	EXPECT_EQ(2, stat_of("vms"));
	close(vm);
	ASSERT_TRUE(settled());
	EXPECT_EQ(id, found_at(self->fd, self->a, half));
	EXPECT_EQ(1, found_of(self->fd, getpid()));
	EXPECT_EQ(1, stat_of("vms"));
}

/* Same number of changes, same process, most likely the same address. */
TEST_F(discover, replaced_by_another_one)
{
	for (int i = 0; i < 3; i++) {
		int vm = vm_make();
		char *p = self->a + i * 8 * PG;

		ASSERT_LE(0, vm);
		ASSERT_EQ(0, slot_set(vm, 0, 0, 0, p, 8 * PG));
		/* Once in ten searches slots are read whatever KVM says. */
		for (int k = 0; k < 8 && !found_at(self->fd, p, 8 * PG); k++)
			ASSERT_TRUE(searched());
		EXPECT_NE(0, found_at(self->fd, p, 8 * PG));
		close(vm);
	}
}

TEST_F(discover, closing_forgets)
{
	int copy = dup(self->vm);

	ASSERT_EQ(0, slot_set(self->vm, 0, 0, 0, self->a, N * PG));
	ASSERT_TRUE(searched());
	EXPECT_EQ(1, found_of(self->fd, getpid()));
	close(self->vm);
	ASSERT_TRUE(searched());
	EXPECT_EQ(1, found_of(self->fd, getpid()));
	close(copy);
	ASSERT_TRUE(searched());
	EXPECT_EQ(0, found_of(self->fd, getpid()));
	EXPECT_EQ(0, stat_of("guests"));
	self->vm = vm_make();
}

static uint64_t do_exec(uint64_t a, uint64_t b, uint64_t c)
{
	(void)a;
	(void)b;
	(void)c;
	/* Standard output tells the caller that the new program is there. */
	dup2(101, 1);
	/* The file is inherited, and worth nothing. */
	for (int fd = 3; fd < 64; fd++)
		fcntl(fd, F_SETFD, 0);
	execl("/bin/sh", "sh", "-c", "printf 12345678; exec sleep 600", NULL);
	return 0;
}

TEST_F(discover, exit_and_exec_forget)
{
	for (int how = 0; how < 3; how++) {
		struct peer p;
		uint64_t addr;

		ASSERT_EQ(0, peer_start(&p));
		addr = peer_call(&p, do_map, N, 0, 0);
		peer_call(&p, do_fill, addr, N, SEED);
		ASSERT_EQ(1, peer_call(&p, do_vm, addr, N, 0));
		ASSERT_TRUE(searched());
		EXPECT_EQ(1, found_of(self->fd, p.pid));
		EXPECT_EQ(1, stat_of("ranges"));
		if (how == 0)
			peer_stop(&p);
		else if (how == 1)
			peer_kill(&p);
		else
			EXPECT_NE(0, peer_call(&p, do_exec, 0, 0, 0));
		ASSERT_TRUE(searched());
		EXPECT_EQ(0, stat_of("ranges"));
		EXPECT_EQ(1, stat_of("vms"));	/* our own, without memory */
		/* The engine forgets by itself what has no memory any more. */
		for (int i = 0; i < 6000 && vd_stat("regions"); i++)
			usleep(10000);
		EXPECT_EQ(0, vd_stat("regions"));
		if (how == 2)
			peer_kill(&p);
	}
}

/* Wait for a child that has nothing to do but to exist. */
static void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

TEST_F(discover, a_forked_child_is_no_guest)
{
	pid_t pid;

	ASSERT_EQ(0, slot_set(self->vm, 0, 0, 0, self->a, N * PG));
	pid = fork();
	if (!pid) {
		for (;;)
			pause();
	}
	ASSERT_LT(0, pid);
	ASSERT_TRUE(searched());
	EXPECT_EQ(1, found_of(self->fd, getpid()));
	EXPECT_EQ(0, found_of(self->fd, pid));
	EXPECT_EQ(1, stat_of("vms"));
	/* The child still has the file; but whose memory it was has closed it. */
	close(self->vm);
	ASSERT_TRUE(searched());
	EXPECT_EQ(0, stat_of("vms"));
	end_child(pid);
	self->vm = vm_make();
}

static char *child_memory;

static void *have_vm(void *arg)
{
	(void)arg;
	if (!do_vm((uintptr_t)child_memory, N, 0))
		_exit(1);
	for (;;)
		pause();
	return NULL;
}

/* The main thread has ended; the others have not. */
TEST_F(discover, found_without_its_main_thread)
{
	pthread_t thread;
	pid_t pid;

	child_memory = self->a;
	pid = fork();
	if (!pid) {
		pthread_create(&thread, NULL, have_vm, NULL);
		/* Not pthread_exit(), which the harness may not be linked for. */
		syscall(SYS_exit, 0);
	}
	ASSERT_LT(0, pid);
	for (int i = 0; i < 30 && !stat_of("ranges"); i++)
		ASSERT_TRUE(searched());
	EXPECT_EQ(2, stat_of("vms"));	/* and our own, without memory */
	EXPECT_EQ(1, stat_of("ranges"));
	EXPECT_EQ(1, vd_stat("regions"));
	end_child(pid);
}

/* In a container, where it has another number, and its own root user. */
TEST_F(discover, found_in_other_namespaces)
{
	pid_t pid;

	child_memory = self->a;
	pid = fork();
	if (!pid) {
		pid_t inner;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWUSER | CLONE_NEWPID))
			_exit(1);
		inner = fork();
		if (!inner) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			have_vm(NULL);
		}
		waitpid(inner, NULL, 0);
		_exit(0);
	}
	ASSERT_LT(0, pid);
	for (int i = 0; i < 30 && !stat_of("ranges"); i++)
		ASSERT_TRUE(searched());
	EXPECT_EQ(2, stat_of("vms"));	/* and our own, without memory */
	EXPECT_EQ(1, stat_of("ranges"));
	EXPECT_EQ(1, vd_stat("regions"));
	end_child(pid);
	for (int i = 0; i < 6000 && vd_stat("regions"); i++)
		usleep(10000);
	EXPECT_EQ(0, vd_stat("regions"));
}

/* More than a process may have: what fits is looked after, the rest counted. */
TEST_F(discover, thousands_of_slots)
{
	const unsigned int slots = 1100, max = 1024;
	char *p = pg_map(2 * slots);
	long long longest;

	ASSERT_NE(NULL, p);
	for (unsigned int i = 0; i < slots; i++)
		ASSERT_EQ(0, slot_set(self->vm, i, 0, 4 * MIB + 2 * i * PG,
				      p + 2 * i * PG, PG));
	ASSERT_TRUE(searched());
	EXPECT_LE(max - 1, stat_of("ranges"));
	EXPECT_GE(max, stat_of("ranges"));
	EXPECT_LT(0, stat_of("left_out"));
	EXPECT_EQ(stat_of("ranges"), found_of(self->fd, getpid()));
	longest = stat_of("poll_max_ns");
	TH_LOG("longest poll so far: %lld us", longest / 1000);
	/* Half of them go. */
	for (unsigned int i = 0; i < slots; i += 2)
		ASSERT_EQ(0, slot_set(self->vm, i, 0, 4 * MIB + 2 * i * PG,
				      p + 2 * i * PG, 0));
	ASSERT_TRUE(settled());
	EXPECT_EQ(slots / 2, stat_of("ranges"));
	EXPECT_EQ(slots / 2, found_of(self->fd, getpid()));
	EXPECT_EQ(0, stat_of("left_out"));
}

#define USER	1001
#define OTHER	1002
#define HEAVY	17	/* processes, with SLOTS ranges each */
#define SLOTS	1000
#define SHARE	(65536 / 4)	/* regions that discovery takes for one user */

/* In a peer: a virtual machine with so many slots, and nothing mapped. */
static uint64_t do_slots(uint64_t slots, uint64_t b, uint64_t c)
{
	int vm = vm_make();
	uint64_t nr = 0;

	(void)b;
	(void)c;
	while (vm >= 0 && nr < slots &&
	       !slot_set(vm, nr, 0, 4 * MIB + 2 * nr * PG,
			 (void *)(256 * MIB + 2 * nr * PG), PG))
		nr++;
	return nr;
}

static uint64_t do_register_page(uint64_t addr, uint64_t b, uint64_t c)
{
	struct vmdedup_register r = { .size = sizeof(r), .start = addr,
				      .length = PG };
	int fd = vd_open();

	(void)b;
	(void)c;
	return fd < 0 ? -fd : -vd_register_raw(fd, &r);
}

static bool ranges_are(long long want)
{
	return stat_of("ranges") == want;
}

/* A user has his share; what others have, and register, is not the less for it. */
TEST_F(discover, one_user_cannot_take_all)
{
	struct peer heavy[HEAVY], late, other;
	uint64_t addr;

	ASSERT_EQ(0, chmod("/dev/kvm", 0666));
	ASSERT_EQ(0, chmod(VD_DEV, 0666));
	for (int i = 0; i < HEAVY; i++) {
		ASSERT_EQ(0, peer_start(&heavy[i]));
		ASSERT_EQ(0, peer_call(&heavy[i], do_setuid, USER, 0, 0));
		ASSERT_EQ(0, peer_send(&heavy[i], do_slots, SLOTS, 0, 0));
	}
	for (int i = 0; i < HEAVY; i++)
		ASSERT_EQ(SLOTS, peer_wait(&heavy[i]));
	EXPECT_TRUE(searched());
	EXPECT_EQ(SHARE, stat_of("ranges"));
	EXPECT_EQ(HEAVY * SLOTS - SHARE, stat_of("refused"));
	EXPECT_EQ(SHARE, vd_stat("regions"));
	/* Others: a guest, one of root's, and one who registers by hand. */
	ASSERT_EQ(0, peer_start(&other));
	ASSERT_EQ(0, peer_call(&other, do_setuid, OTHER, 0, 0));
	EXPECT_EQ(N, peer_call(&other, do_slots, N, 0, 0));
	EXPECT_EQ(0, slot_set(self->vm, 0, 0, 0, self->a, N * PG));
	EXPECT_TRUE(searched());
	EXPECT_EQ(N, found_of(self->fd, other.pid));
	EXPECT_EQ(1, found_of(self->fd, getpid()));
	addr = peer_call(&other, do_map, 1, 0, 0);
	EXPECT_EQ(0, peer_call(&other, do_register_page, addr, 0, 0));
	/* What he has registered by hand is another matter. */
	addr = peer_call(&heavy[0], do_map, 1, 0, 0);
	EXPECT_EQ(0, peer_call(&heavy[0], do_register_page, addr, 0, 0));
	/* Less here, more there: what was refused is tried again. */
	ASSERT_EQ(0, peer_start(&late));
	ASSERT_EQ(0, peer_call(&late, do_setuid, USER, 0, 0));
	EXPECT_EQ(N, peer_call(&late, do_slots, N, 0, 0));
	EXPECT_TRUE(searched());
	EXPECT_EQ(0, found_of(self->fd, late.pid));
	EXPECT_EQ(0, peer_stop(&heavy[0]));
	EXPECT_TRUE(in_the_end(ranges_are, (HEAVY - 1) * SLOTS + 2 * N + 1));
	EXPECT_EQ(N, found_of(self->fd, late.pid));
	EXPECT_EQ(0, stat_of("refused"));
	for (int i = 1; i < HEAVY; i++)
		peer_stop(&heavy[i]);
	peer_stop(&late);
	peer_stop(&other);
	chmod("/dev/kvm", 0660);
	chmod(VD_DEV, 0660);
}

#define CGROUP	"/sys/fs/cgroup/vmdedup-discover"

/* What a guest takes of the kernel's memory is its own, and may not be there. */
TEST_F(discover, charged_to_the_guest)
{
	struct peer p;
	char text[32];

	write_text("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	mkdir(CGROUP, 0755);
	if (access(CGROUP "/memory.max", W_OK)) {
		rmdir(CGROUP);
		SKIP(return, "no memory cgroups");
	}
	ASSERT_EQ(0, vd_set("discover", 0));
	ASSERT_EQ(0, peer_start(&p));
	ASSERT_EQ(0, peer_call(&p, do_enter_cgroup,
			       (uintptr_t)CGROUP, 0, 0));
	ASSERT_EQ(SLOTS, peer_call(&p, do_slots, SLOTS, 0, 0));
	ASSERT_EQ(0, slot_set(self->vm, 0, 0, 0, self->a, N * PG));
	snprintf(text, sizeof(text), "%lld",
		 read_number(CGROUP "/memory.current") + 16LL * PG);
	EXPECT_EQ(0, write_text(CGROUP "/memory.max", text));
	EXPECT_EQ(0, vd_set("discover", 1));
	EXPECT_TRUE(searched());
	TH_LOG("%lld ranges at the limit", stat_of("ranges"));
	EXPECT_GT(SLOTS, stat_of("ranges"));
	EXPECT_LT(0, stat_of("refused") + stat_of("left_out"));
	/* Nobody else has less for it. */
	EXPECT_EQ(1, found_of(self->fd, getpid()));
	/* When there is room again, it is found. */
	EXPECT_EQ(0, write_text(CGROUP "/memory.max", "max"));
	EXPECT_TRUE(in_the_end(ranges_are, SLOTS + 1));
	EXPECT_EQ(0, stat_of("refused"));
	EXPECT_EQ(0, stat_of("left_out"));
	EXPECT_EQ(0, peer_stop(&p));
	EXPECT_TRUE(settled());
	rmdir(CGROUP);
}

/* Slots change all the time while memory is merged. */
TEST_F(discover, slots_change_while_merging)
{
	ASSERT_EQ(0, vd_set("run", 1));
	for (int i = 0; i < 200; i++) {
		ASSERT_EQ(0, slot_set(self->vm, i % 7, 0, (i % 7) * 4 * MIB,
				      self->a, (N - i % 5) * PG));
		ASSERT_EQ(0, slot_set(self->vm, i % 7, 0, 0, self->a, 0));
		if (i % 50 == 0)
			ASSERT_TRUE(searched());
	}
	EXPECT_EQ(0, pg_wrong(self->a, N, SEED));
	ASSERT_TRUE(settled());
	EXPECT_EQ(0, found_of(self->fd, getpid()));
}

TEST_F(discover, statistics_are_read_only)
{
	EXPECT_GT(0, write_text(STATS "polls", "0"));
	EXPECT_LT(0, stat_of("polls"));
	EXPECT_LT(0, stat_of("tasks"));
	EXPECT_LT(0, stat_of("poll_ns"));
	EXPECT_LE(stat_of("poll_last_ns"), stat_of("poll_max_ns"));
}

TEST_HARNESS_MAIN
