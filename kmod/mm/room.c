// SPDX-License-Identifier: GPL-2.0
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/page_counter.h>

#include "room.h"

/* Memory that must be left over on the host: 1/64 of all. */
#define LEAVE_SHIFT	6

/*
 * The reserve (reserve.c) is not counted on: it is there for those who write
 * without asking.
 */
static bool host_has(unsigned long pages)
{
	long available = si_mem_available() - (totalram_pages() >> LEAVE_SHIFT);

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

static int cgroup_add(struct vmdedup_room *room, struct mem_cgroup *memcg,
		      unsigned long pages, unsigned long cache)
{
	unsigned long id = memcg->css.id;
	void *entry = xa_load(&room->cgroups, id);

	if (entry)
		pages += xa_to_value(entry);
	if (!cgroup_has(memcg, pages, cache))
		return -ENOMEM;
	return xa_err(xa_store(&room->cgroups, id, xa_mk_value(pages),
			       GFP_KERNEL));
}

/* With that of all cgroups above. */
static int cgroups_add(struct vmdedup_room *room, struct mm_struct *mm,
		       unsigned long pages)
{
	struct mem_cgroup *own = get_mem_cgroup_from_mm(mm), *memcg;
	unsigned long cache = own ? cache_of(own) : 0;
	int err = 0;

	for (memcg = own; memcg && !err; memcg = parent_mem_cgroup(memcg))
		if (has_limit(memcg))
			err = cgroup_add(room, memcg, pages, cache);
	mem_cgroup_put(own);
	return err;
}

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

static int cgroups_add(struct vmdedup_room *room, struct mm_struct *mm,
		       unsigned long pages)
{
	return 0;
}

static bool cgroups_have(struct mm_struct *mm, unsigned long pages)
{
	return true;
}

#endif

/**
 * vmdedup_room_begin() - begin to add up what is needed
 * @room: out; to be ended by vmdedup_room_end()
 */
void vmdedup_room_begin(struct vmdedup_room *room)
{
	room->pages = 0;
	xa_init(&room->cgroups);
}

/**
 * vmdedup_room_add() - add what one process needs
 * @room: the sum so far
 * @mm: its address space; the caller keeps it
 * @pages: so many
 *
 * A cgroup that comes while this is added up may be taken for one that has gone
 * meanwhile. May sleep.
 *
 * Return: 0; -ENOMEM if there is no room for all that was added, or no memory
 * to find that out.
 */
int vmdedup_room_add(struct vmdedup_room *room, struct mm_struct *mm,
		     unsigned long pages)
{
	room->pages += pages;
	if (!host_has(room->pages))
		return -ENOMEM;
	return cgroups_add(room, mm, pages);
}

/**
 * vmdedup_room_end() - undo vmdedup_room_begin()
 * @room: the sum
 */
void vmdedup_room_end(struct vmdedup_room *room)
{
	xa_destroy(&room->cgroups);
}

/**
 * vmdedup_room_for() - is there room for what one process needs?
 * @mm: its address space; the caller keeps it
 * @pages: so many
 *
 * Does not sleep.
 */
bool vmdedup_room_for(struct mm_struct *mm, unsigned long pages)
{
	return host_has(pages) && cgroups_have(mm, pages);
}
