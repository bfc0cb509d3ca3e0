// SPDX-License-Identifier: GPL-2.0
/* Calls of the module, each with what is to hold before and after it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "calls.h"
#include "kselftest.h"

bool scene_set(struct scene *self, uint64_t seed)
{
	self->a = pg_map(SCENE_ALL);
	self->b = pg_map(SCENE_ALL);
	self->seed = seed;
	self->fd2 = -1;
	return self->a && self->b;
}

/* Has a cache of the module no object, nor room for one that was freed? */
static bool emptied(const char *cache)
{
	char path[128], text[64] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/slab/%s/shrink", cache);
	write_text(path, "1");
	snprintf(path, sizeof(path), "/sys/kernel/slab/%s/objects", cache);
	f = fopen(path, "re");
	if (!f)
		return true;
	if (!fgets(text, sizeof(text), f))
		text[0] = 0;
	fclose(f);
	return text[0] == '0';
}

/* What of the module's is still there, or NULL. */
static const char *left(void)
{
	static const char *const stats[] = {
		"regions", "guests", "pages_shared", "metadata_bytes",
	};
	static const char *const caches[] = {
		"vmdedup_frame", "vmdedup_cand", "vmdedup_cell",
	};

	for (size_t i = 0; i < ARRAY_SIZE(stats); i++)
		if (vd_stat(stats[i]))
			return stats[i];
	if (vd_stat("frames_made") != vd_stat("frames_freed"))
		return "frames";
	for (size_t i = 0; i < ARRAY_SIZE(caches); i++)
		if (!emptied(caches[i]))
			return caches[i];
	return NULL;
}

static bool nothing_left(long long arg)
{
	(void)arg;
	return !left();
}

bool leave(struct scene *self)
{
	vd_forget_all(self->fd);
	if (munmap(self->a, SCENE_ALL * PG) || munmap(self->b, SCENE_ALL * PG))
		return false;
	if (in_the_end(nothing_left, 0))
		return true;
	printf("# left: %s\n", left());
	return false;
}

bool contents_right(struct scene *self)
{
	return !pg_wrong(self->a, SCENE_N, self->seed) &&
	       !pg_wrong(self->b, SCENE_N, self->seed) &&
	       pg_is(self->a + SCENE_N * PG, 0) && pg_is(self->b + SCENE_N * PG, 0);
}

/* Private pages, with content that was never seen before. */
bool fresh(struct scene *self)
{
	self->seed += SCENE_N;
	pg_fill_range(self->a, SCENE_N, self->seed);
	pg_fill_range(self->b, SCENE_N, self->seed);
	/* What reads as zero is not the zero page yet. */
	pg_fill(self->a + SCENE_N * PG, 1);
	pg_fill(self->b + SCENE_N * PG, 1);
	pg_fill(self->a + SCENE_N * PG, 0);
	pg_fill(self->b + SCENE_N * PG, 0);
	return true;
}

/* Open. */

static int run_open(struct scene *self)
{
	self->fd2 = vd_open();
	return self->fd2 < 0 ? self->fd2 : 0;
}

static bool check_open(struct scene *self, int err)
{
	return err || self->fd2 >= 0;
}

static bool undo_open(struct scene *self)
{
	return !close(self->fd2);
}

/* Register. */

static bool before_one(struct scene *self)
{
	vd_forget_all(self->fd);
	return fresh(self) && !vd_stat("regions");
}

static bool before_two(struct scene *self)
{
	vd_forget_all(self->fd);
	return fresh(self) &&
	       !vd_register(self->fd, self->b, SCENE_ALL * PG, &self->id[1]);
}

static int run_register(struct scene *self)
{
	return vd_register(self->fd, self->a, SCENE_ALL * PG, &self->id[0]);
}

static int run_register_persist(struct scene *self)
{
	struct vmdedup_register r = {
		.size = sizeof(r),
		.flags = VMDEDUP_REGISTER_PERSIST,
		.start = (uintptr_t)self->a,
		.length = SCENE_ALL * PG,
	};
	int err = vd_register_raw(self->fd, &r);

	self->id[0] = r.region_id;
	return err;
}

static bool check_register(struct scene *self, int err)
{
	struct vmdedup_query next, q = {};
	uint64_t last = 0, nr = 0;

	while (!vd_query(self->fd, last, VMDEDUP_QUERY_NEXT, &next)) {
		q = next;
		last = q.region_id;
		nr++;
	}
	if (err)
		return vd_stat("regions") == (long long)nr &&
		       (!nr || last == self->id[1]);
	return vd_stat("regions") == (long long)nr && last == self->id[0] &&
	       q.start == (uintptr_t)self->a && q.length == SCENE_ALL * PG;
}

static bool undo_register(struct scene *self)
{
	return !vd_unregister(self->fd, self->id[0], 0, NULL);
}

/* Query. */

bool before_merged(struct scene *self)
{
	vd_forget_all(self->fd);
	return fresh(self) &&
	       !vd_register(self->fd, self->a, SCENE_ALL * PG, &self->id[0]) &&
	       !vd_register(self->fd, self->b, SCENE_ALL * PG, &self->id[1]) &&
	       !vd_merge(self->fd, 0, &self->m) &&
	       self->m.merged == 2 * SCENE_N && self->m.zero == 2;
}

/* A descriptor of its own has the region, so that closing it drops it. */
static bool before_close(struct scene *self)
{
	vd_forget_all(self->fd);
	self->fd2 = vd_open();
	return self->fd2 >= 0 && fresh(self) &&
	       !vd_register(self->fd2, self->a, SCENE_ALL * PG, &self->id[0]) &&
	       !vd_register(self->fd2, self->b, SCENE_ALL * PG, &self->id[1]) &&
	       !vd_merge(self->fd2, 0, NULL);
}

static int run_query(struct scene *self)
{
	struct vmdedup_query q;
	int err = vd_query(self->fd, 0, VMDEDUP_QUERY_NEXT | VMDEDUP_QUERY_COUNT,
			   &q);

	return err ? err : q.merged == SCENE_N && q.zero == 1 ? 0 : -EBADMSG;
}

static bool check_nothing(struct scene *self, int err)
{
	(void)self;
	(void)err;
	return true;
}

static bool undo_nothing(struct scene *self)
{
	(void)self;
	return true;
}

bool undo_all(struct scene *self)
{
	vd_forget_all(self->fd);
	return !vd_stat("regions");
}

/* Merge. */

static bool before_merge(struct scene *self)
{
	vd_forget_all(self->fd);
	return fresh(self) &&
	       !vd_register(self->fd, self->a, SCENE_ALL * PG, &self->id[0]) &&
	       !vd_register(self->fd, self->b, SCENE_ALL * PG, &self->id[1]);
}

static int run_merge(struct scene *self)
{
	return vd_merge(self->fd, 0, &self->m);
}

/* What it says it has merged is merged. */
static bool check_merge(struct scene *self, int err)
{
	struct vmdedup_query q[2];

	if (vd_query(self->fd, self->id[0], VMDEDUP_QUERY_COUNT, &q[0]) ||
	    vd_query(self->fd, self->id[1], VMDEDUP_QUERY_COUNT, &q[1]))
		return false;
	if (err)
		return true;
	/* In two calls, if the first one failed. */
	return q[0].merged + q[1].merged >= self->m.merged &&
	       q[0].merged + q[1].merged <= 2 * SCENE_N &&
	       q[0].zero + q[1].zero >= self->m.zero;
}

/* What was left for want of memory is merged now. */
static bool undo_merge(struct scene *self)
{
	uint64_t pfn[2][SCENE_N];

	if (run_merge(self) || pm_pfns(0, self->a, SCENE_N, pfn[0]) ||
	    pm_pfns(0, self->b, SCENE_N, pfn[1]) ||
	    memcmp(pfn[0], pfn[1], sizeof(pfn[0])))
		return false;
	return undo_all(self);
}

/* Unmerge. */

static int run_unmerge(struct scene *self)
{
	return vd_unregister(self->fd, self->id[0], VMDEDUP_UNREGISTER_UNMERGE,
			     NULL);
}

/* Is no page of the first area anybody else's? */
static bool is_private(struct scene *self)
{
	uint64_t pfn[SCENE_ALL];

	if (pm_pfns(0, self->a, SCENE_ALL, pfn))
		return false;
	for (size_t i = 0; i < SCENE_ALL; i++)
		if (!pfn[i] || pfn_is_zero_page(pfn[i]) ||
		    kpage_count(pfn[i]) != 1 ||
		    pfn[i] == pm_pfn(self->b + i * PG))
			return false;
	return true;
}

static bool check_unmerge(struct scene *self, int err)
{
	struct vmdedup_query q;
	int found = vd_query(self->fd, self->id[0], 0, &q);

	if (err)
		return !found && q.region_id == self->id[0];
	return found == -ENOENT && is_private(self);
}

static int run_stop(struct scene *self)
{
	(void)self;
	return vd_set("run", 2);
}

static bool check_stop(struct scene *self, int err)
{
	if (vd_stat("regions") != 2)
		return false;
	return err ? vd_get("run") == 0 : vd_get("run") == 2 && is_private(self);
}

static bool undo_stop(struct scene *self)
{
	return !vd_set("run", 0) && undo_all(self);
}

/* Forget. */

static int run_forget(struct scene *self)
{
	return vd_unregister(self->fd, self->id[0], 0, NULL);
}

static bool check_forget(struct scene *self, int err)
{
	(void)self;
	return !err && vd_stat("regions") == 1;
}

static int run_close(struct scene *self)
{
	int err = close(self->fd2);

	self->fd2 = -1;
	return err;
}

static bool check_close(struct scene *self, int err)
{
	(void)self;
	return !err && !vd_stat("regions");
}

/* Policy. */

static int run_policy(struct scene *self)
{
	int err;

	(void)self;
	err = vd_set_text("domain_policy", "process");
	return err ?: vd_set_text("domain_policy", "uid");
}

static int run_threads(struct scene *self)
{
	(void)self;
	return vd_set("threads", 3);
}

static bool check_threads(struct scene *self, int err)
{
	(void)self;
	return !err && vd_get("threads") == 3;
}

static bool undo_threads(struct scene *self)
{
	return !vd_set("threads", 0) && undo_all(self);
}

/* Statistics in sysfs. */

static int run_stat(struct scene *self)
{
	(void)self;
	return vd_stat("pages_shared") == SCENE_N && vd_stat("pages_sharing") == SCENE_N &&
	       vd_stat("saved_bytes") > 0 ? 0 : -ENOMEM;
}

/* Netlink. */

static int run_get_stats(struct scene *self)
{
	return vn_stats(&self->nl, &self->stats);
}

static bool check_get_stats(struct scene *self, int err)
{
	return err || (self->stats.regions == 2 &&
		       self->stats.pages_shared == SCENE_N);
}

static int run_get_guest(struct scene *self)
{
	return vn_guest(&self->nl, 0, getpid(), &self->guest);
}

static bool check_get_guest(struct scene *self, int err)
{
	return err || (self->guest.pid == (uint32_t)getpid() &&
		       self->guest.regions == 2);
}

static int run_get_region(struct scene *self)
{
	return vn_region(&self->nl, self->id[1], &self->region);
}

static bool check_get_region(struct scene *self, int err)
{
	return err || (self->region.start == (uintptr_t)self->b &&
		       self->region.length == SCENE_ALL * PG);
}

static int run_exclude(struct scene *self)
{
	return vn_exclude(&self->nl, getpid(), 1);
}

static bool check_exclude(struct scene *self, int err)
{
	return !vn_guest(&self->nl, 0, getpid(), &self->guest) &&
	       self->guest.excluded == !err;
}

static bool undo_exclude(struct scene *self)
{
	return !vn_exclude(&self->nl, getpid(), 0) && undo_all(self);
}

const struct call calls[] = {
	{ "open", 1, false, false, fresh, run_open, check_open, undo_open },
	{ "register", 4, false, false, before_one, run_register, check_register,
	  undo_register },
	{ "register a second region", 2, false, false, before_two, run_register,
	  check_register, undo_register },
	{ "register to stay", 3, false, false, before_one, run_register_persist,
	  check_register, undo_register },
	{ "query", 0, true, false, before_merged, run_query, check_nothing,
	  undo_all },
	{ "merge", 4 * SCENE_N, false, false, before_merge, run_merge, check_merge,
	  undo_merge },
	{ "unmerge", SCENE_ALL + 1, false, false, before_merged, run_unmerge,
	  check_unmerge, undo_all },
	{ "stop and unmerge", SCENE_ALL + 1, false, false, before_merged, run_stop,
	  check_stop, undo_stop },
	{ "unregister", 0, true, false, before_merged, run_forget, check_forget,
	  undo_all },
	{ "close", 0, true, false, before_close, run_close, check_close,
	  undo_nothing },
	{ "policy", 0, true, false, before_merged, run_policy, check_nothing,
	  undo_all },
	{ "threads", 0, true, false, before_merged, run_threads, check_threads,
	  undo_threads },
	{ "statistics", 0, true, false, before_merged, run_stat, check_nothing,
	  undo_all },
	{ "get statistics", 1, false, true, before_merged, run_get_stats,
	  check_get_stats, undo_all },
	{ "get guest", 1, false, true, before_merged, run_get_guest,
	  check_get_guest, undo_all },
	{ "get region", 1, false, true, before_merged, run_get_region,
	  check_get_region, undo_all },
	{ "exclude", 1, false, true, before_merged, run_exclude, check_exclude,
	  undo_exclude },
};

const size_t calls_nr = sizeof(calls) / sizeof(*calls);

const struct call *call_find(const char *name)
{
	for (size_t i = 0; i < calls_nr; i++)
		if (!strcmp(calls[i].name, name))
			return &calls[i];
	return NULL;
}
