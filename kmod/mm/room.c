// SPDX-License-Identifier: GPL-2.0
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/page_counter.h>
#include <linux/xarray.h>

#include "room.h"

/* Memory that must be left over on the host: 1/64 of all. */
#define LEAVE_SHIFT	6

/*
 * The reserve (reserve.c) is not counted on: it is there for those who write
 * without asking.
 */
static bool host_has(u64 pages)
{
	s64 available = si_mem_available() - (totalram_pages() >> LEAVE_SHIFT);

	return available > 0 && pages <= available;
}

#ifdef CONFIG_MEMCG

/* Page cache that a cgroup itself, without those below it, could do without. */
static unsigned long cache_of(struct mem_cgroup *memcg)
{
	unsigned long pages = 0;
	unsigned int zone;
	int nid;

	for_each_node_state(nid, N_MEMORY) {
		struct mem_cgroup_per_node *node = memcg->nodeinfo[nid];

		for (zone = 0; zone < MAX_NR_ZONES; zone++)
			pages += READ_ONCE(node->lru_zone_size[zone][LRU_INACTIVE_FILE]) +
				 READ_ONCE(node->lru_zone_size[zone][LRU_ACTIVE_FILE]);
	}
	/* As si_mem_available(): half of it is needed. */
	return pages / 2;
}

static bool has_limit(struct mem_cgroup *memcg)
{
	return READ_ONCE(memcg->memory.max) < PAGE_COUNTER_MAX;
}

/* @cache: of what is in the cgroup, what could be reclaimed. */
static bool cgroup_has(struct mem_cgroup *memcg, unsigned long pages,
		       unsigned long cache)
{
	unsigned long used = page_counter_read(&memcg->memory);

	used -= min(used, cache);
	return used + pages <= READ_ONCE(memcg->memory.max);
}

/* What a sum has of a cgroup. */
static unsigned long sum_of(struct vmdedup_room_sum *sum,
			    struct mem_cgroup *memcg)
{
	void *entry = sum ? xa_load(&sum->cgroups, (unsigned long)memcg) : NULL;

	return entry ? xa_to_value(entry) : 0;
}

/* Those above count, too; besides what is in @sum, or NULL. */
static bool cgroups_have(struct mm_struct *mm, unsigned long pages,
			 struct vmdedup_room_sum *sum)
{
	struct mem_cgroup *own = get_mem_cgroup_from_mm(mm), *memcg;
	unsigned long cache = own ? cache_of(own) : 0;
	bool have = true;

	for (memcg = own; memcg && have; memcg = parent_mem_cgroup(memcg))
		have = !has_limit(memcg) ||
		       cgroup_has(memcg, pages + sum_of(sum, memcg), cache);
	mem_cgroup_put(own);
	return have;
}

static int cgroups_add(struct vmdedup_room_sum *sum, struct mm_struct *mm,
		       unsigned long pages)
{
	struct mem_cgroup *own = get_mem_cgroup_from_mm(mm), *memcg;
	int err = 0;

	for (memcg = own; memcg && !err; memcg = parent_mem_cgroup(memcg))
		if (has_limit(memcg))
			err = xa_err(xa_store(&sum->cgroups, (unsigned long)memcg,
					      xa_mk_value(sum_of(sum, memcg) + pages),
					      GFP_KERNEL));
	mem_cgroup_put(own);
	return err;
}

#else

static bool cgroups_have(struct mm_struct *mm, unsigned long pages,
			 struct vmdedup_room_sum *sum)
{
	return true;
}

static int cgroups_add(struct vmdedup_room_sum *sum, struct mm_struct *mm,
		       unsigned long pages)
{
	return 0;
}

#endif

/**
 * vmdedup_room_for() - is there room for what one process needs now?
 * @mm: its address space; the caller keeps it
 * @pages: so many
 *
 * Does not sleep.
 */
bool vmdedup_room_for(struct mm_struct *mm, unsigned long pages)
{
	return host_has(pages) && cgroups_have(mm, pages, NULL);
}

/**
 * vmdedup_room_sum_begin() - begin to add up what many processes need
 * @sum: out; vmdedup_room_sum_end()
 */
void vmdedup_room_sum_begin(struct vmdedup_room_sum *sum)
{
	xa_init(&sum->cgroups);
	sum->pages = 0;
}

/**
 * vmdedup_room_sum_add() - one more
 * @sum: what those before need
 * @mm: its address space; the caller keeps it
 * @pages: so many
 *
 * Where its cgroups, or those above, have no room for it beside the others it is given
 * none: it needs nothing of the host. So nobody adds more than the limit for them. May
 * sleep.
 *
 * Return: 0 or -ENOMEM.
 */
int vmdedup_room_sum_add(struct vmdedup_room_sum *sum, struct mm_struct *mm,
			 unsigned long pages)
{
	if (!cgroups_have(mm, pages, sum))
		return 0;
	sum->pages += pages;
	return cgroups_add(sum, mm, pages);
}

/**
 * vmdedup_room_sum_end() - does the host have room for all of it?
 * @sum: is not to be used any more
 */
bool vmdedup_room_sum_end(struct vmdedup_room_sum *sum)
{
	xa_destroy(&sum->cgroups);
	return host_has(sum->pages);
}
