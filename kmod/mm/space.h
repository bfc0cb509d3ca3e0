/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Address spaces with regions: guests, as they are called outside.
 *
 * A space keeps the mm_struct (mmgrab), not the memory: who works in it takes
 * vmdedup_region_enter() for so long. It exists as long as it has regions.
 */
#ifndef VMDEDUP_MM_SPACE_H
#define VMDEDUP_MM_SPACE_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>

#include "../core/stats.h"

/*
 * Who may share with whom: X(NAME, name). The number is a part of each trust
 * domain's: never reuse one.
 */
#define VMDEDUP_POLICIES(X)						\
	X(HOST,		host)		/* everybody */			\
	X(UID,		uid)		/* of the same real user */	\
	X(CGROUP,	cgroup)		/* in the same memory cgroup */	\
	X(PROCESS,	process)	/* only within one process */

enum vmdedup_policy {
#define VMDEDUP_POLICY_ENUM(NAME, name) VMDEDUP_POLICY_##NAME,
	VMDEDUP_POLICIES(VMDEDUP_POLICY_ENUM)
#undef VMDEDUP_POLICY_ENUM
	VMDEDUP_POLICY_NR
};

/**
 * struct vmdedup_space - an address space with regions
 * @ref: one for each region, and of whoever uses it
 * @rcu: to free it
 * @id: never used again
 * @regions: its regions, under the registry lock
 * @mm: the address space, kept by mmgrab()
 * @pid: the process it was registered by
 * @kvm: a virtual machine's memory was discovered in it; set once
 * @lock: protects what follows; inside region->lock
 * @comm: that process' name
 * @uid: its real user
 * @cgroup: inode number of its memory cgroup's directory, 0 without
 * @domain: trust domain of its regions; read with READ_ONCE()
 * @gone: COUNTERs of regions that have gone
 * @broken: merged pages found private since vmdedup_space_storm()
 * @merged: pages merged by then
 * @expected: anonymous pages that it should have
 * @pass: the pass in which @stirred was last looked at; of vmdedup_space_stirred()
 * @stirred: see vmdedup_space_stirred()
 */
struct vmdedup_space {
	struct kref ref;
	struct rcu_head rcu;
	u64 id;
	struct list_head regions;
	struct mm_struct *mm;
	struct pid *pid;
	bool kvm;
	spinlock_t lock; /* of all that follows */
	char comm[TASK_COMM_LEN];
	kuid_t uid;
	u64 cgroup;
	u64 domain;
	struct vmdedup_ledger gone;
	u64 broken;
	u64 merged;
	s64 expected;
	u16 pass;
	bool stirred;
};

/**
 * struct vmdedup_space_sum - what a space's regions are together
 * @regions: how many
 * @bytes: how much is registered
 * @ledger: the sum of theirs
 */
struct vmdedup_space_sum {
	unsigned int regions;
	u64 bytes;
	struct vmdedup_ledger ledger;
};

struct vmdedup_space *vmdedup_space_get(u64 id);
struct vmdedup_space *vmdedup_space_get_by_pid(struct pid *pid);
u64 vmdedup_space_newest(void);
struct vmdedup_space *vmdedup_space_next(u64 id, u64 last);
void vmdedup_space_put(struct vmdedup_space *space);
unsigned long vmdedup_space_count(void);
pid_t vmdedup_space_pid(struct vmdedup_space *space);
void vmdedup_space_sum(struct vmdedup_space *space,
		       struct vmdedup_space_sum *sum);
bool vmdedup_space_storm(struct vmdedup_space *space, u64 *merged, u64 *broken);

bool vmdedup_space_stirred(struct vmdedup_space *space, u16 pass);
void vmdedup_space_merged(struct vmdedup_space *space, u64 pages);

void vmdedup_space_refresh(struct vmdedup_space *space);
enum vmdedup_policy vmdedup_space_policy(void);
void vmdedup_space_set_policy(enum vmdedup_policy policy);

#endif /* VMDEDUP_MM_SPACE_H */
