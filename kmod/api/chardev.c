// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/vmdedup. The contract, and every error, is in the UAPI header.
 */
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/user_namespace.h>

#include <uapi/linux/vmdedup.h>

#include "../compat/compat.h"
#include "../mm/access.h"
#include "../mm/region.h"
#include "../mm/unmerge.h"
#include "../scan/engine.h"
#include "../scan/request.h"
#include "../scan/scanner.h"
#include "api.h"

/* Passes that a caller may ask for in one call. */
#define MAX_ROUNDS	1000

static bool may_manage(struct mm_struct *mm, struct pid *pid)
{
	return mm == current->mm || vmdedup_compat_may_ptrace(mm, pid, true);
}

/* Likewise, for looking through all of them: no audit record for each. */
static bool may_see(struct mm_struct *mm, struct pid *pid)
{
	return mm == current->mm || vmdedup_compat_may_ptrace(mm, pid, false);
}

/* How many registrations the caller's user may have. */
static unsigned int region_limit(void)
{
	return ns_capable_noaudit(&init_user_ns, CAP_SYS_RESOURCE) ?
	       VMDEDUP_NO_LIMIT : READ_ONCE(vmdedup_tunables.max_regions);
}

/* A process as the caller knows it, and its address space. */
struct target {
	struct mm_struct *mm;
	struct pid *pid;
	kuid_t uid;
};

static struct task_struct *task_get(pid_t nr)
{
	struct task_struct *task;
	struct pid *pid;

	if (!nr) {
		get_task_struct(current);
		return current;
	}
	pid = find_get_pid(nr);
	task = get_pid_task(pid, PIDTYPE_PID);
	put_pid(pid);
	return task;
}

static int target_get(struct target *target, pid_t nr)
{
	struct task_struct *task = task_get(nr);

	if (!task)
		return -ESRCH;
	target->mm = get_task_mm(task);
	target->uid = task_uid(task);
	target->pid = get_task_pid(task, PIDTYPE_TGID);
	put_task_struct(task);
	if (target->mm && may_manage(target->mm, target->pid))
		return 0;
	put_pid(target->pid);
	if (!target->mm)
		return -ESRCH;
	vmdedup_mm_put(target->mm);
	return -EPERM;
}

static void target_put(struct target *target)
{
	vmdedup_mm_put(target->mm);
	put_pid(target->pid);
}

static int register_check(const struct vmdedup_register *arg)
{
	u64 end;

	if (arg->flags & ~(VMDEDUP_REGISTER_PERSIST | VMDEDUP_REGISTER_ALL) ||
	    arg->reserved || arg->pid < 0)
		return -EINVAL;
	if (arg->flags & VMDEDUP_REGISTER_ALL)
		return arg->start || arg->length ? -EINVAL : 0;
	if (!PAGE_ALIGNED(arg->start) || !PAGE_ALIGNED(arg->length) ||
	    !arg->length)
		return -EINVAL;
	if (check_add_overflow(arg->start, arg->length, &end))
		return -EOVERFLOW;
	return 0;
}

/* Tell what of a range can be merged; fails if nothing can. */
static int register_survey(struct vmdedup_register_args *args,
			   struct vmdedup_register *arg)
{
	struct vmdedup_survey survey;
	enum vmdedup_skip reason;
	u64 most = 0;

	if (!vmdedup_mm_wait(args->mm))
		return -EINTR;
	vmdedup_region_survey(args->mm, args->start, args->end, &survey);
	vmdedup_mm_unlock(args->mm, false);

	arg->eligible = survey.eligible;
	arg->refused = 0;
	arg->reason = VMDEDUP_SKIP_NONE;
	for (reason = 0; reason < VMDEDUP_SKIP_NR; reason++) {
		arg->refused += survey.refused[reason];
		if (survey.refused[reason] > most) {
			most = survey.refused[reason];
			arg->reason = reason;
		}
	}
	if (arg->eligible || args->flags & VMDEDUP_REGION_ALL)
		return 0;
	return arg->refused ? -EOPNOTSUPP : -EFAULT;
}

static int register_in(struct target *target, struct vmdedup_register *arg,
		       struct vmdedup_owner *owner)
{
	struct vmdedup_register_args args = {
		.mm = target->mm,
		.pid = target->pid,
		.uid = target->uid,
		.start = arg->start,
		.end = arg->start + arg->length,
		.payer = vmdedup_due_payer(current_cred()),
		.limit = region_limit(),
	};
	int err;

	if (arg->flags & VMDEDUP_REGISTER_ALL) {
		args.end = target->mm->task_size;
		args.flags |= VMDEDUP_REGION_ALL;
	}
	if (args.end > target->mm->task_size)
		return -EOVERFLOW;
	if (arg->flags & VMDEDUP_REGISTER_PERSIST)
		args.flags |= VMDEDUP_REGION_PERSIST;
	else
		args.owner = owner;
	err = register_survey(&args, arg);
	if (!err)
		err = vmdedup_region_register(&args);
	arg->region_id = args.region_id;
	arg->out_flags = args.existed ? VMDEDUP_REGISTERED_EXISTS : 0;
	return err;
}

static int ioctl_register(struct vmdedup_owner *owner, void *argp)
{
	struct vmdedup_register *arg = argp;
	struct target target;
	int err;

	err = register_check(arg);
	if (err)
		return err;
	err = target_get(&target, arg->pid);
	if (err)
		return err;
	err = register_in(&target, arg, owner);
	target_put(&target);
	if (!err && !(arg->out_flags & VMDEDUP_REGISTERED_EXISTS))
		vmdedup_scanner_welcome();
	return err;
}

/* A region by id, if the caller may manage it. */
static struct vmdedup_region *region_of(u64 id)
{
	struct vmdedup_region *region = vmdedup_region_get(id);
	int err;

	if (!region)
		return ERR_PTR(-ENOENT);
	if (may_manage(region->space->mm, region->space->pid))
		return region;
	err = vmdedup_region_refusal(region);
	vmdedup_region_put(region);
	return ERR_PTR(err);
}

static int ioctl_unregister(struct vmdedup_owner *owner, void *argp)
{
	struct vmdedup_unregister *arg = argp;
	struct vmdedup_region *region;
	int err = 0;

	if (arg->flags & ~VMDEDUP_UNREGISTER_UNMERGE)
		return -EINVAL;
	region = region_of(arg->region_id);
	if (IS_ERR(region))
		return PTR_ERR(region);
	arg->unmerged = 0;
	if (arg->flags & VMDEDUP_UNREGISTER_UNMERGE) {
		err = vmdedup_unmerge_region(region, true, NULL,
					     &arg->unmerged);
		vmdedup_account_event(VMDEDUP_EV_pages_unmerged, arg->unmerged);
	}
	if (!err && !vmdedup_region_remove(region))
		err = -ENOENT;
	vmdedup_region_put(region);
	return err;
}

/* The number may be somebody else's once the process has gone. */
static pid_t pid_of(struct vmdedup_space *space)
{
	struct task_struct *task = get_pid_task(space->pid, PIDTYPE_TGID);

	if (!task)
		return 0;
	put_task_struct(task);
	return pid_vnr(space->pid);
}

static void query_fill(struct vmdedup_query *arg, struct vmdedup_region *region)
{
	const u64 *value = region->ledger.value;
	unsigned int i;

	arg->region_id = region->id;
	arg->start = region->start;
	arg->length = region->end - region->start;
	arg->pid = pid_of(region->space);
	arg->uid = from_kuid_munged(current_user_ns(),
				    READ_ONCE(region->space->uid));
	arg->region_flags = READ_ONCE(region->flags);
	memset(arg->skipped, 0, sizeof(arg->skipped));

	spin_lock(&region->lock);
	arg->resident = value[VMDEDUP_LEDGER_resident];
	arg->merged = value[VMDEDUP_LEDGER_merged];
	arg->zero = value[VMDEDUP_LEDGER_zero];
	arg->unique = value[VMDEDUP_LEDGER_unique];
	arg->saved = value[VMDEDUP_LEDGER_saved_bytes];
	arg->scanned = value[VMDEDUP_LEDGER_scanned];
	arg->merges = value[VMDEDUP_LEDGER_merges];
	for (i = 0; i < VMDEDUP_SKIP_NR; i++)
		arg->skipped[i] = region->ledger.skipped[i];
	spin_unlock(&region->lock);
}

static int query_count(struct vmdedup_query *arg, struct vmdedup_region *region)
{
	struct vmdedup_count count;
	int err = vmdedup_count_region(region, &count);

	if (err)
		return err;
	arg->resident = count.resident;
	arg->merged = count.merged;
	arg->zero = count.zero;
	arg->unique = count.resident - count.merged - count.zero;
	arg->saved = count.saved;
	return 0;
}

/* The next region after an id that the caller may see. */
static struct vmdedup_region *region_after(u64 id)
{
	u64 last = vmdedup_region_newest();
	struct vmdedup_region *region;

	while ((region = vmdedup_region_next(id, last))) {
		id = region->id;
		if (may_see(region->space->mm, region->space->pid))
			return region;
		vmdedup_region_put(region);
		cond_resched();
		if (fatal_signal_pending(current))
			return ERR_PTR(-EINTR);
	}
	return ERR_PTR(-ENOENT);
}

static int query_one(struct vmdedup_query *arg, struct vmdedup_region *region)
{
	if (vmdedup_region_gone(region))
		return -ENOENT;
	query_fill(arg, region);
	return arg->flags & VMDEDUP_QUERY_COUNT ? query_count(arg, region) : 0;
}

static int ioctl_query(struct vmdedup_owner *owner, void *argp)
{
	struct vmdedup_query *arg = argp;
	bool next = arg->flags & VMDEDUP_QUERY_NEXT;
	struct vmdedup_region *region;
	u64 id = arg->region_id;
	int err;

	if (arg->flags & ~(VMDEDUP_QUERY_NEXT | VMDEDUP_QUERY_COUNT) ||
	    arg->reserved)
		return -EINVAL;
	do {
		region = next ? region_after(id) : region_of(id);
		if (IS_ERR(region))
			return PTR_ERR(region);
		id = region->id;
		err = query_one(arg, region);
		vmdedup_region_put(region);
		/* A process that has just gone is not the end of the list. */
	} while (next && err == -ENOENT);
	return err;
}

static int ioctl_merge(struct vmdedup_owner *owner, void *argp)
{
	struct vmdedup_merge *arg = argp;
	struct vmdedup_merge_request req = {};
	unsigned int i;
	int err;

	if (arg->flags & ~VMDEDUP_MERGE_ALL ||
	    (arg->flags & VMDEDUP_MERGE_ALL && arg->region_id) ||
	    arg->max_rounds > MAX_ROUNDS)
		return -EINVAL;
	if (!(arg->flags & VMDEDUP_MERGE_ALL) && !arg->region_id)
		return -ENOENT;
	req.may = arg->region_id ? may_manage : may_see;
	req.region = arg->region_id;
	req.max_rounds = arg->max_rounds ?: VMDEDUP_DEFAULT_ROUNDS;
	err = vmdedup_merge_now(&req);
	if (err)
		return err;
	arg->rounds = req.rounds;
	arg->scanned = req.total.ev[VMDEDUP_EV_pages_scanned];
	arg->merged = req.total.ev[VMDEDUP_EV_pages_merged];
	arg->zero = req.total.ev[VMDEDUP_EV_pages_zero_merged];
	memset(arg->skipped, 0, sizeof(arg->skipped));
	for (i = 0; i < VMDEDUP_SKIP_NR; i++)
		arg->skipped[i] = req.total.skip[i];
	return 0;
}

union ioctl_arg {
	struct vmdedup_register reg;
	struct vmdedup_unregister unreg;
	struct vmdedup_query query;
	struct vmdedup_merge merge;
};

/**
 * struct ioctl_op - one call
 * @cmd: its number
 * @size: of the struct as this kernel knows it
 * @min_size: of its first version
 * @run: carries it out; the struct is in kernel memory and is copied back
 */
struct ioctl_op {
	unsigned int cmd;
	unsigned int size;
	unsigned int min_size;
	int (*run)(struct vmdedup_owner *owner, void *arg);
};

static const struct ioctl_op ioctl_ops[] = {
	{ VMDEDUP_IOC_REGISTER, sizeof(struct vmdedup_register),
	  offsetofend(struct vmdedup_register, out_flags), ioctl_register },
	{ VMDEDUP_IOC_UNREGISTER, sizeof(struct vmdedup_unregister),
	  offsetofend(struct vmdedup_unregister, unmerged), ioctl_unregister },
	{ VMDEDUP_IOC_QUERY, sizeof(struct vmdedup_query),
	  offsetofend(struct vmdedup_query, skipped), ioctl_query },
	{ VMDEDUP_IOC_MERGE, sizeof(struct vmdedup_merge),
	  offsetofend(struct vmdedup_merge, skipped), ioctl_merge },
};

static int ioctl_run(const struct ioctl_op *op, struct vmdedup_owner *owner,
		     void __user *uarg)
{
	union ioctl_arg arg;
	u32 usize;
	int err, ret;

	if (get_user(usize, (u32 __user *)uarg))
		return -EFAULT;
	if (usize < op->min_size)
		return -EINVAL;
	if (usize > PAGE_SIZE)
		return -E2BIG;
	err = copy_struct_from_user(&arg, op->size, uarg, usize);
	if (err)
		return err;
	usize = min(usize, op->size);
	/* Nothing may be done that could not be reported: try that first. */
	if (copy_to_user(uarg, &arg, usize))
		return -EFAULT;
	ret = op->run(owner, &arg);
	if (ret && ret != -EEXIST && ret != -EOPNOTSUPP)
		return ret;
	return copy_to_user(uarg, &arg, usize) ? -EFAULT : ret;
}

static long vmdedup_ioctl(struct file *file, unsigned int cmd,
			  unsigned long arg)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ioctl_ops); i++)
		if (ioctl_ops[i].cmd == cmd)
			return ioctl_run(&ioctl_ops[i], file->private_data,
					 (void __user *)arg);
	return -ENOTTY;
}

static int vmdedup_open(struct inode *inode, struct file *file)
{
	struct vmdedup_owner *owner = kzalloc(sizeof(*owner), GFP_KERNEL_ACCOUNT);

	if (!owner)
		return -ENOMEM;
	vmdedup_owner_init(owner);
	file->private_data = owner;
	return 0;
}

static int vmdedup_release(struct inode *inode, struct file *file)
{
	struct vmdedup_owner *owner = file->private_data;

	vmdedup_owner_release(owner);
	kfree(owner);
	return 0;
}

const struct file_operations vmdedup_fops = {
	.owner = THIS_MODULE,
	.open = vmdedup_open,
	.release = vmdedup_release,
	.unlocked_ioctl = vmdedup_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};
