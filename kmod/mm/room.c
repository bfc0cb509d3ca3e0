// SPDX-License-Identifier: GPL-2.0
#include <linux/atomic.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/page_counter.h>

#include "room.h"

/* Memory that must be left over on the host: 1/64 of all. */
#define LEAVE_SHIFT	6

/* Pages that were promised to those who are making copies, and are not used yet. */
static atomic64_t promised;

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

/* Those above count, too. */
static bool cgroups_have(struct mm_struct *mm, unsigned long pages)
{
	struct mem_cgroup *own = get_mem_cgroup_from_mm(mm), *memcg;
	unsigned long cache = own ? cache_of(own) : 0;
	bool have = true;

	for (memcg = own; memcg && have; memcg = parent_mem_cgroup(memcg))
		have = !has_limit(memcg) || cgroup_has(memcg, pages, cache);
	mem_cgroup_put(own);
	return have;
}

#else

static bool cgroups_have(struct mm_struct *mm, unsigned long pages)
{
	return true;
}

#endif

/**
 * vmdedup_room_on_host() - does the host have room, besides what is promised?
 * @pages: so many pages
 *
 * Any context.
 */
bool vmdedup_room_on_host(u64 pages)
{
	return host_has(pages + max(atomic64_read(&promised), 0LL));
}

/**
 * vmdedup_room_for() - is there room for what one process needs now?
 * @mm: its address space; the caller keeps it
 * @pages: so many
 *
 * What is promised may be this. Does not sleep.
 */
bool vmdedup_room_for(struct mm_struct *mm, unsigned long pages)
{
	return host_has(pages) && cgroups_have(mm, pages);
}

/**
 * vmdedup_room_promise() - is there room for what one process will need?
 * @mm: its address space; the caller keeps it
 * @pages: so many
 *
 * Others are promised what is left beside it. Of two who ask at once, both may be
 * refused. Does not sleep.
 *
 * Return: true if so; vmdedup_room_used() is to be told of all of it.
 */
bool vmdedup_room_promise(struct mm_struct *mm, unsigned long pages)
{
	if (host_has(atomic64_add_return(pages, &promised)) &&
	    cgroups_have(mm, pages))
		return true;
	vmdedup_room_used(pages);
	return false;
}

/**
 * vmdedup_room_used() - what was promised is used by now, or not needed
 * @pages: so many pages
 */
void vmdedup_room_used(unsigned long pages)
{
	atomic64_sub(pages, &promised);
}
