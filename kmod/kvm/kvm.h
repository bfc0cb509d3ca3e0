/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vmdedup_kvm.ko: finds KVM's virtual machines and keeps regions in step with
 * their memory slots. No configuration, and no help of theirs.
 *
 * Once a second all processes are looked through (processes.c): those whose
 * address space has MMU notifiers may have a virtual machine, and their open
 * files tell. Of each that has, the slots are read (memslots.c), compared with
 * what is registered (core/ranges.c), and the difference is made up for
 * (guests.c). All of that is done by one thread (main.c), so that nothing here
 * needs a lock.
 *
 * Files of virtual machines are kept only while their slots are read, and KVM is
 * not called: its structures are read as its own readers do.
 */
#ifndef VMDEDUP_KVM_KVM_H
#define VMDEDUP_KVM_KVM_H

#include <linux/fs.h>
#include <linux/mm_types.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/uidgid.h>

#include "../core/ranges.h"

/* What one process may ask for; more is left alone, and counted. */
#define VMDEDUP_KVM_MAX_VMS	64
#define VMDEDUP_KVM_MAX_RANGES	1024
/* Processes with virtual machines: in all, and of one user. */
#define VMDEDUP_KVM_MAX_GUESTS	8192
#define VMDEDUP_KVM_MAX_GUESTS_USER	(VMDEDUP_KVM_MAX_GUESTS / 4)

/*
 * What an operator sees in /sys/module/vmdedup_kvm/parameters: X(name, what).
 * Written by the thread alone.
 */
#define VMDEDUP_KVM_STATS(X)						\
	X(searches,	"times that all processes were looked through")	\
	X(polls,	"pieces that it took to do so")			\
	X(poll_ns,	"time that all polls took")			\
	X(poll_last_ns,	"time that the last poll took")			\
	X(poll_max_ns,	"time that the longest poll took")		\
	X(tasks,	"processes and threads looked at by the last search")	\
	X(guests,	"processes with virtual machines being looked after") \
	X(vms,		"their virtual machines")			\
	X(ranges,	"ranges of memory registered for them")		\
	X(refused,	"ranges that could not be registered")		\
	X(left_out,	"slots and virtual machines beyond the limits")

struct vmdedup_kvm_stats {
#define VMDEDUP_KVM_STAT_MEMBER(name, what) u64 name;
	VMDEDUP_KVM_STATS(VMDEDUP_KVM_STAT_MEMBER)
#undef VMDEDUP_KVM_STAT_MEMBER
};

extern struct vmdedup_kvm_stats vmdedup_kvm_stats;

/**
 * struct vmdedup_kvm_process - a process that may have virtual machines
 * @task: its main thread, or another one if that has ended; with a reference
 * @pid: of the process; with a reference
 * @mm: its address space, kept by mmgrab()
 * @uid: real user
 * @payer: user who answers for it
 * @limited: is there a limit for them?
 */
struct vmdedup_kvm_process {
	struct task_struct *task;
	struct pid *pid;
	struct mm_struct *mm;
	kuid_t uid;
	kuid_t payer;
	bool limited;
};

/**
 * struct vmdedup_kvm_walk - how far a search has come
 * @nr: the task to go on with, as the initial pid namespace knows it, which
 *	knows those of all others; 0: no search is under way
 * @tasks: looked at so far
 */
struct vmdedup_kvm_walk {
	pid_t nr;
	u64 tasks;
};

/**
 * struct vmdedup_kvm_vms - the virtual machines of a process
 * @file: open files, with references; no virtual machine is in it twice
 * @nr: how many
 * @left: how many there are besides, at the least
 */
struct vmdedup_kvm_vms {
	struct file *file[VMDEDUP_KVM_MAX_VMS];
	unsigned int nr;
	unsigned int left;
};

/* processes.c */
bool vmdedup_kvm_next_process(struct vmdedup_kvm_walk *walk,
			      struct vmdedup_kvm_process *process);
void vmdedup_kvm_put_process(struct vmdedup_kvm_process *process);
void vmdedup_kvm_get_vms(const struct vmdedup_kvm_process *process,
			 struct vmdedup_kvm_vms *vms);
void vmdedup_kvm_put_vms(struct vmdedup_kvm_vms *vms);

/* memslots.c */
bool vmdedup_kvm_is_vm(struct file *file, struct mm_struct *mm);
u64 vmdedup_kvm_generation(struct file *file);
unsigned int vmdedup_kvm_read_slots(struct file *file,
				    struct vmdedup_range *out, unsigned int max,
				    unsigned int *left);

/* guests.c */
int vmdedup_kvm_guests_init(void);
void vmdedup_kvm_guests_exit(void);
bool vmdedup_kvm_poll(void);

#endif /* VMDEDUP_KVM_KVM_H */
