// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/freezer.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/wait.h>

#include "../api/kapi.h"
#include "kvm.h"

/*
 * How often processes are looked through. A guest is found in less than two of
 * these: Documentation/man/vmdedup.4 promises so.
 */
#define POLL_PERIOD	HZ
/* Until a search that has taken too long goes on. */
#define POLL_BREATH	(HZ / 10)

struct vmdedup_kvm_stats vmdedup_kvm_stats;
static struct task_struct *poller;

static int poller_main(void *arg)
{
	set_freezable();
	set_user_nice(current, 5);
	while (!kthread_should_stop()) {
		unsigned int seen = vmdedup_kapi_changes();
		bool complete = vmdedup_kvm_poll();

		wait_event_freezable_timeout(*vmdedup_kapi_wait(),
					     kthread_should_stop() ||
					     vmdedup_kapi_changes() != seen,
					     complete ? POLL_PERIOD :
							POLL_BREATH);
	}
	return 0;
}

static int stat_set(const char *val, const struct kernel_param *kp)
{
	return -EPERM;
}

static int stat_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%llu\n", READ_ONCE(*(u64 *)kp->arg));
}

static const struct kernel_param_ops stat_ops = {
	.set = stat_set,
	.get = stat_get,
};

#define STAT_PARAM(name, what)						\
	module_param_cb(name, &stat_ops, &vmdedup_kvm_stats.name, 0444); \
	MODULE_PARM_DESC(name, "read-only: " what);
VMDEDUP_KVM_STATS(STAT_PARAM)

static int __init vmdedup_kvm_init(void)
{
	int err;

	err = vmdedup_kvm_guests_init();
	if (err)
		return err;
	poller = kthread_run(poller_main, NULL, "vmdedup_kvm");
	if (IS_ERR(poller)) {
		vmdedup_kvm_guests_exit();
		return PTR_ERR(poller);
	}
	return 0;
}

static void __exit vmdedup_kvm_exit(void)
{
	kthread_stop(poller);
	vmdedup_kvm_guests_exit();
}

module_init(vmdedup_kvm_init);
module_exit(vmdedup_kvm_exit);

MODULE_DESCRIPTION("Discovery of KVM guests for vmdedup");
MODULE_AUTHOR("The vmdedup authors");
MODULE_LICENSE("GPL");
MODULE_VERSION(VMDEDUP_VERSION);
