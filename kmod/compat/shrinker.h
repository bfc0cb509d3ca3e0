/* SPDX-License-Identifier: GPL-2.0 */
/* Shrinkers, and what they free. */
#ifndef VMDEDUP_COMPAT_SHRINKER_H
#define VMDEDUP_COMPAT_SHRINKER_H

#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/swap.h>

#include "vmdedup_probes.h"

#if VMDEDUP_PROBE_shrinker_alloc + VMDEDUP_PROBE_shrinker_own != 1
#error "vmdedup: unknown way to register a shrinker; this kernel is not supported"
#endif

#if VMDEDUP_PROBE_reclaimed_call + VMDEDUP_PROBE_reclaimed_slab != 1
#error "vmdedup: unknown way to count reclaimed pages; this kernel is not supported"
#endif

typedef unsigned long (*vmdedup_compat_shrink_t)(struct shrinker *shrinker,
						 struct shrink_control *sc);

/**
 * vmdedup_compat_shrinker_new() - register a shrinker that knows of nodes
 * @name: for those who look at shrinkers
 * @count: see struct shrinker: count_objects
 * @scan: likewise: scan_objects
 *
 * What it gives back took nothing to make: it is asked for much of it at a time.
 *
 * Return: the shrinker, or NULL without memory.
 */
static inline struct shrinker *
vmdedup_compat_shrinker_new(const char *name, vmdedup_compat_shrink_t count,
			    vmdedup_compat_shrink_t scan)
{
#if VMDEDUP_PROBE_shrinker_alloc
	struct shrinker *shrinker = shrinker_alloc(SHRINKER_NUMA_AWARE, "%s",
						   name);
#else
	struct shrinker *shrinker = kzalloc(sizeof(*shrinker), GFP_KERNEL);
#endif

	if (!shrinker)
		return NULL;
	shrinker->count_objects = count;
	shrinker->scan_objects = scan;
	shrinker->seeks = 0;
#if VMDEDUP_PROBE_shrinker_alloc
	shrinker_register(shrinker);
#else
	shrinker->flags = SHRINKER_NUMA_AWARE;
	if (register_shrinker(shrinker, "%s", name)) {
		kfree(shrinker);
		return NULL;
	}
#endif
	return shrinker;
}

/**
 * vmdedup_compat_reclaimed() - a shrinker has freed whole pages
 * @pages: so many
 *
 * Or reclaim would take it for no progress, and do more than it has to.
 */
static inline void vmdedup_compat_reclaimed(unsigned long pages)
{
#if VMDEDUP_PROBE_reclaimed_call
	mm_account_reclaimed_pages(pages);
#else
	if (current->reclaim_state)
		current->reclaim_state->reclaimed_slab += pages;
#endif
}

/**
 * vmdedup_compat_shrinker_free() - undo vmdedup_compat_shrinker_new()
 * @shrinker: the shrinker
 *
 * Waits for those that are at work in it. May sleep.
 */
static inline void vmdedup_compat_shrinker_free(struct shrinker *shrinker)
{
#if VMDEDUP_PROBE_shrinker_alloc
	shrinker_free(shrinker);
#else
	unregister_shrinker(shrinker);
	kfree(shrinker);
#endif
}

#endif /* VMDEDUP_COMPAT_SHRINKER_H */
