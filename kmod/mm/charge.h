/* SPDX-License-Identifier: GPL-2.0 */
/* What is allocated for a process is charged to its memory cgroup. */
#ifndef VMDEDUP_MM_CHARGE_H
#define VMDEDUP_MM_CHARGE_H

#include <linux/memcontrol.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>

/**
 * struct vmdedup_charge - who pays for now
 * @memcg: the process' memory cgroup, with a reference; or NULL
 * @old: who paid before
 */
struct vmdedup_charge {
	struct mem_cgroup *memcg;
	struct mem_cgroup *old;
};

/*
 * A cgroup above memory.high has whoever charges it reclaim and sleep for what he has
 * charged so far: on his way to user space, which a thread of ours never is, or when he
 * charges next and may sleep. That is not to be paid for all cgroups by the next one.
 */
static inline void vmdedup_charge_forgive(void)
{
#ifdef CONFIG_MEMCG
	if (current->flags & PF_KTHREAD)
		current->memcg_nr_pages_over_high = 0;
#endif
}

/**
 * vmdedup_charge_begin() - charge a process' memory cgroup
 * @charge: out
 * @mm: the process' address space; the caller keeps it
 *
 * Until vmdedup_charge_end(), what the caller allocates with __GFP_ACCOUNT. Whoever
 * is at the limit gets none: let it be with __GFP_NORETRY, or somebody is killed.
 */
static inline void vmdedup_charge_begin(struct vmdedup_charge *charge,
					struct mm_struct *mm)
{
	charge->memcg = get_mem_cgroup_from_mm(mm);
	charge->old = set_active_memcg(charge->memcg);
}

/**
 * vmdedup_charge_end() - undo vmdedup_charge_begin()
 * @charge: as begun
 */
static inline void vmdedup_charge_end(struct vmdedup_charge *charge)
{
	set_active_memcg(charge->old);
	mem_cgroup_put(charge->memcg);
	vmdedup_charge_forgive();
}

/**
 * vmdedup_charge_gfp() - how to allocate what is charged
 * @wait: may be waited for: see vmdedup_charge_begin(). At the limit that can take
 *	seconds, with reclaim in the cgroup, and is to be done with no lock held that
 *	is not the process' own
 *
 * To find none is no disaster: do not have the kernel kill somebody, or warn, for an
 * optimization.
 */
static inline gfp_t vmdedup_charge_gfp(bool wait)
{
	return (wait ? GFP_KERNEL | __GFP_NORETRY : GFP_NOWAIT) |
	       __GFP_ACCOUNT | __GFP_NOWARN;
}

#endif /* VMDEDUP_MM_CHARGE_H */
