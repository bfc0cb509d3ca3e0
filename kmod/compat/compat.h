/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where supported kernels differ.
 *
 * compat/probes/ asks one question a file, and of each pair exactly one must
 * compile against the headers at hand: the build writes the answers into
 * vmdedup_probes.h. Nothing outside this directory may depend on them.
 */
#ifndef VMDEDUP_COMPAT_H
#define VMDEDUP_COMPAT_H

#include <linux/capability.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/percpu_counter.h>
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/swap.h>
#include <linux/swapops.h>
#include <linux/user_namespace.h>

#include "vmdedup_probes.h"

#if VMDEDUP_PROBE_rss_atomic + VMDEDUP_PROBE_rss_percpu != 1
#error "vmdedup: unknown layout of mm_struct.rss_stat; this kernel is not supported"
#endif
#if VMDEDUP_PROBE_gup_vmas + VMDEDUP_PROBE_gup_plain != 1
#error "vmdedup: unknown get_user_pages_remote(); this kernel is not supported"
#endif
#if VMDEDUP_PROBE_leaf_swp_entry + VMDEDUP_PROBE_leaf_softleaf != 1
#error "vmdedup: unknown migration entries; this kernel is not supported"
#endif

#if VMDEDUP_PROBE_owner_mm + VMDEDUP_PROBE_owner_exec != 1
#error "vmdedup: unknown owner of address spaces; this kernel is not supported"
#endif
#if VMDEDUP_PROBE_mmap_write_begin + VMDEDUP_PROBE_mmap_write_plain != 1
#error "vmdedup: unknown mmap_write_lock(); this kernel is not supported"
#endif

#if VMDEDUP_PROBE_leaf_softleaf
#include <linux/leafops.h>
#endif
#if VMDEDUP_PROBE_owner_exec
#include <linux/sched/exec_state.h>
#endif

/**
 * vmdedup_compat_rss() - read a resident set counter
 * @mm: address space
 * @member: MM_ANONPAGES and the like
 *
 * Exact, but for what tasks of it may keep to themselves for a while before 6.2.
 * Takes a while on a machine with many CPUs; does not sleep.
 */
static inline s64 vmdedup_compat_rss(struct mm_struct *mm, int member)
{
#if VMDEDUP_PROBE_rss_atomic
	return max(atomic_long_read(&mm->rss_stat.count[member]), 0L);
#else
	return percpu_counter_sum_positive(&mm->rss_stat[member]);
#endif
}

/**
 * vmdedup_compat_rss_add() - change a resident set counter
 * @mm: whose
 * @member: MM_FILEPAGES, ...
 * @delta: pages
 *
 * add_mm_counter() without its tracepoint, which modules cannot call.
 */
static inline void vmdedup_compat_rss_add(struct mm_struct *mm, int member,
					  long delta)
{
#if VMDEDUP_PROBE_rss_atomic
	atomic_long_add(delta, &mm->rss_stat.count[member]);
#else
	percpu_counter_add(&mm->rss_stat[member], delta);
#endif
}

/**
 * vmdedup_compat_gup_remote() - get one page of another process
 * @mm: whose; mmap_lock held for reading
 * @addr: where
 * @flags: FOLL_*
 * @page: out: the page, with a reference
 *
 * The mmap_lock is not dropped.
 *
 * Return: 1 or -errno; with FOLL_NOWAIT, 0 if it would have to wait.
 */
static inline long vmdedup_compat_gup_remote(struct mm_struct *mm,
					     unsigned long addr,
					     unsigned int flags,
					     struct page **page)
{
#if VMDEDUP_PROBE_gup_vmas
	return get_user_pages_remote(mm, addr, 1, flags, page, NULL, NULL);
#else
	return get_user_pages_remote(mm, addr, 1, flags, page, NULL);
#endif
}

/**
 * vmdedup_compat_mmap_write_trylock() - mmap_write_lock() if nobody is in the way
 * @mm: whose; undone by mmap_write_unlock()
 *
 * The kernel has none any more. Without its tracepoints.
 */
static inline bool vmdedup_compat_mmap_write_trylock(struct mm_struct *mm)
{
	if (!down_write_trylock(&mm->mmap_lock))
		return false;
#if VMDEDUP_PROBE_mmap_write_begin
	mm_lock_seqcount_begin(mm);
#endif
	return true;
}

/**
 * vmdedup_compat_task() - a thread of a process that has an address space
 * @mm: the address space
 * @pid: the process
 *
 * Its main thread, mostly; but that may end before the others. Under RCU.
 *
 * Return: the thread, or NULL if the process has gone, or has another one by now.
 */
static inline struct task_struct *vmdedup_compat_task(struct mm_struct *mm,
						      struct pid *pid)
{
	struct task_struct *leader = pid_task(pid, PIDTYPE_TGID), *task;

	if (leader)
		for_each_thread(leader, task)
			if (READ_ONCE(task->mm) == mm)
				return task;
	return NULL;
}

/*
 * The user namespace that an address space belongs to; under RCU. Where that is asked
 * of a process that has gone, while others live on in it, the initial one: whoever is
 * privileged there may manage everything.
 */
static inline struct user_namespace *vmdedup_compat_owner(struct mm_struct *mm,
							  struct pid *pid)
{
#if VMDEDUP_PROBE_owner_mm
	return mm->user_ns;
#else
	struct task_struct *task = vmdedup_compat_task(mm, pid);

	return task ? rcu_dereference(task->exec_state)->user_ns : &init_user_ns;
#endif
}

/**
 * vmdedup_compat_may_ptrace() - has the caller CAP_SYS_PTRACE over a process?
 * @mm: its address space; the caller keeps it
 * @pid: the process
 * @audit: whether asking leaves a record
 *
 * In the user namespace that the address space belongs to.
 */
static inline bool vmdedup_compat_may_ptrace(struct mm_struct *mm,
					     struct pid *pid, bool audit)
{
	struct user_namespace *ns;
	bool may;

	rcu_read_lock();
	ns = vmdedup_compat_owner(mm, pid);
	may = audit ? ns_capable(ns, CAP_SYS_PTRACE) :
		      ns_capable_noaudit(ns, CAP_SYS_PTRACE);
	rcu_read_unlock();
	return may;
}

/* What a PTE that is neither none nor present stands for. */
enum vmdedup_leaf {
	VMDEDUP_LEAF_SWAP,
	VMDEDUP_LEAF_MIGRATION,
	VMDEDUP_LEAF_DEVICE,
	VMDEDUP_LEAF_POISON,
	VMDEDUP_LEAF_MARKER,
};

#if VMDEDUP_PROBE_leaf_swp_entry

static inline enum vmdedup_leaf vmdedup_compat_leaf(pte_t pte)
{
	swp_entry_t entry = pte_to_swp_entry(pte);

	if (is_migration_entry(entry))
		return VMDEDUP_LEAF_MIGRATION;
	if (is_hwpoison_entry(entry))
		return VMDEDUP_LEAF_POISON;
	if (is_pte_marker_entry(entry))
		return VMDEDUP_LEAF_MARKER;
	if (non_swap_entry(entry))
		return VMDEDUP_LEAF_DEVICE;
	return VMDEDUP_LEAF_SWAP;
}

/* The page that a migration entry stands for. */
static inline struct page *vmdedup_compat_leaf_page(pte_t pte)
{
	return pfn_swap_entry_to_page(pte_to_swp_entry(pte));
}

#else

static inline enum vmdedup_leaf vmdedup_compat_leaf(pte_t pte)
{
	softleaf_t entry = softleaf_from_pte(pte);

	if (softleaf_is_migration(entry))
		return VMDEDUP_LEAF_MIGRATION;
	if (softleaf_is_hwpoison(entry))
		return VMDEDUP_LEAF_POISON;
	if (softleaf_is_marker(entry))
		return VMDEDUP_LEAF_MARKER;
	if (!softleaf_is_swap(entry))
		return VMDEDUP_LEAF_DEVICE;
	return VMDEDUP_LEAF_SWAP;
}

static inline struct page *vmdedup_compat_leaf_page(pte_t pte)
{
	return softleaf_to_page(softleaf_from_pte(pte));
}

#endif

#ifdef VM_DROPPABLE
#define VMDEDUP_VM_DROPPABLE	VM_DROPPABLE
#else
#define VMDEDUP_VM_DROPPABLE	VM_NONE
#endif

#endif /* VMDEDUP_COMPAT_H */
