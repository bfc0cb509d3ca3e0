// SPDX-License-Identifier: GPL-2.0
/*
 * Processes, and the virtual machines that they have open.
 */
#include <linux/cred.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/mmu_notifier.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "../api/kapi.h"
#include "kvm.h"

/* Tasks looked at, and files, before others get to run. */
#define TASK_BATCH	64
#define FILE_BATCH	256
/* Files of one process looked at; virtual machines are opened early. */
#define MAX_FILES	65536

/*
 * Threads share what their main thread has, unless that has ended already. What
 * is read here may change at once; that matters as little as having come by a
 * moment earlier.
 */
static bool worth_a_look(struct task_struct *task)
{
	if (READ_ONCE(task->flags) & PF_KTHREAD || !READ_ONCE(task->mm))
		return false;
	return thread_group_leader(task) ||
	       !READ_ONCE(READ_ONCE(task->group_leader)->mm);
}

/*
 * KVM has a notifier for each virtual machine. A task lets go of its mm and of
 * its files only with its lock held.
 */
static bool process_get(struct task_struct *task,
			struct vmdedup_kvm_process *process)
{
	struct mm_struct *mm;

	task_lock(task);
	mm = task->mm;
	if (mm && mm_has_notifiers(mm))
		mmgrab(mm);
	else
		mm = NULL;
	task_unlock(task);
	if (!mm)
		return false;
	get_task_struct(task);
	process->task = task;
	process->mm = mm;
	process->uid = task_uid(task);
	process->limited = vmdedup_kapi_payer(task, &process->payer);
	return true;
}

/* Returns 1 if there is one, 0 if not in this batch, -1 at the end. */
static int next_in_batch(struct vmdedup_kvm_walk *walk,
			 struct vmdedup_kvm_process *process)
{
	int i, ret = 0;

	rcu_read_lock();
	for (i = 0; i < TASK_BATCH && !ret; i++) {
		struct pid *pid = find_ge_pid(walk->nr, &init_pid_ns);
		struct task_struct *task;

		if (!pid) {
			ret = -1;
			break;
		}
		walk->nr = pid_nr(pid) + 1;
		walk->tasks++;
		task = pid_task(pid, PIDTYPE_PID);
		if (task && worth_a_look(task) && process_get(task, process))
			ret = 1;
	}
	rcu_read_unlock();
	return ret;
}

/**
 * vmdedup_kvm_next_process() - find a process that may have virtual machines
 * @walk: where to go on
 * @process: out: the process; vmdedup_kvm_put_process()
 *
 * May sleep, and takes no longer than a batch of tasks takes.
 *
 * Return: true if one was found, or the batch ended without one (@process->task
 * is NULL then); false at the end.
 */
bool vmdedup_kvm_next_process(struct vmdedup_kvm_walk *walk,
			      struct vmdedup_kvm_process *process)
{
	int found;

	process->task = NULL;
	found = next_in_batch(walk, process);
	if (found > 0)
		process->pid = get_task_pid(process->task, PIDTYPE_TGID);
	return found >= 0;
}

/**
 * vmdedup_kvm_put_process() - let go of a process
 * @process: what vmdedup_kvm_next_process() has found
 */
void vmdedup_kvm_put_process(struct vmdedup_kvm_process *process)
{
	put_pid(process->pid);
	mmdrop(process->mm);
	put_task_struct(process->task);
}

/* One look at a batch of files. */
struct look {
	struct mm_struct *mm;
	struct vmdedup_kvm_vms *vms;
	unsigned int files;
};

static bool known(const struct vmdedup_kvm_vms *vms, const struct file *file)
{
	unsigned int i;

	for (i = 0; i < vms->nr; i++)
		if (vms->file[i]->private_data == file->private_data)
			return true;
	return false;
}

/*
 * For iterate_fd(), which stops at what is not 0. What is empty of a table it passes by
 * without a word, under locks of the process' own: a millisecond for the million that
 * a process may have at the most (fs.nr_open).
 */
static int look_at(const void *arg, struct file *file, unsigned int fd)
{
	struct look *look = (struct look *)arg;
	struct vmdedup_kvm_vms *vms = look->vms;

	if (vmdedup_kvm_is_vm(file, look->mm) && !known(vms, file)) {
		if (vms->nr < VMDEDUP_KVM_MAX_VMS)
			vms->file[vms->nr++] = get_file(file);
		else
			vms->left++;
	}
	return ++look->files % FILE_BATCH ? 0 : fd + 1;
}

/**
 * vmdedup_kvm_get_vms() - the virtual machines that a process has open
 * @process: the process
 * @vms: out: the virtual machines; vmdedup_kvm_put_vms()
 *
 * May sleep.
 */
void vmdedup_kvm_get_vms(const struct vmdedup_kvm_process *process,
			 struct vmdedup_kvm_vms *vms)
{
	struct task_struct *task = process->task;
	struct look look = { .mm = process->mm, .vms = vms };
	int next = 0;

	vms->nr = 0;
	vms->left = 0;
	do {
		task_lock(task);
		if (task->mm == process->mm)
			next = iterate_fd(task->files, next, look_at, &look);
		else
			next = 0;	/* has ended, or become another program */
		task_unlock(task);
		cond_resched();
	} while (next && look.files < MAX_FILES);
}

/**
 * vmdedup_kvm_put_vms() - let go of virtual machines
 * @vms: what vmdedup_kvm_get_vms() has found
 *
 * If somebody has closed one meanwhile, the kernel destroys it soon, in a thread
 * of its own.
 */
void vmdedup_kvm_put_vms(struct vmdedup_kvm_vms *vms)
{
	while (vms->nr)
		fput(vms->file[--vms->nr]);
}
