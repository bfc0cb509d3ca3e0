// SPDX-License-Identifier: GPL-2.0
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/rcupdate.h>

#include <uapi/linux/vmdedup.h>

#include "../mm/access.h"
#include "../mm/exclude.h"
#include "../mm/region.h"
#include "../mm/reserve.h"
#include "../scan/engine.h"
#include "../scan/scanner.h"
#include "../scan/scrub.h"
#include "api.h"

static struct miscdevice vmdedup_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = VMDEDUP_DEVICE_NAME,
	.fops = &vmdedup_fops,
	.groups = vmdedup_attr_groups,
	.mode = 0660,
};

static int __init vmdedup_init(void)
{
	int err;

	err = vmdedup_access_init();
	if (err)
		return err;
	err = vmdedup_engine_init();
	if (err)
		goto exit_access;
	err = vmdedup_netlink_init();
	if (err)
		goto exit_engine;
	err = vmdedup_reserve_init();
	if (err)
		goto exit_netlink;
	err = vmdedup_scanner_start();
	if (err)
		goto exit_reserve;
	err = vmdedup_scrub_start();
	if (err)
		goto stop_scanner;
	err = misc_register(&vmdedup_device);
	if (err)
		goto stop_scrub;
	vmdedup_inject_init();
	return 0;

stop_scrub:
	vmdedup_scrub_stop();
stop_scanner:
	vmdedup_scanner_stop();
exit_reserve:
	vmdedup_reserve_exit();
exit_netlink:
	vmdedup_netlink_exit();
	/* What was asked for meanwhile. */
	vmdedup_exclude_exit();
exit_engine:
	vmdedup_engine_exit();
exit_access:
	vmdedup_access_exit();
	return err;
}

static void __exit vmdedup_exit(void)
{
	vmdedup_inject_exit();
	misc_deregister(&vmdedup_device);
	vmdedup_scanner_stop();
	vmdedup_scrub_stop();
	vmdedup_reserve_exit();
	vmdedup_region_remove_all();
	vmdedup_netlink_exit();
	vmdedup_exclude_exit();
	vmdedup_engine_exit();
	vmdedup_access_exit();
	/* kfree_rcu() of regions calls nothing of ours: no rcu_barrier(). */
}

module_init(vmdedup_init);
module_exit(vmdedup_exit);

MODULE_DESCRIPTION("De-duplication of the memory of KVM guests");
MODULE_AUTHOR("The vmdedup authors");
MODULE_LICENSE("GPL");
/* Guests are found by a module of its own, which modprobe loads, too. */
MODULE_SOFTDEP("post: vmdedup_kvm");
MODULE_VERSION(VMDEDUP_VERSION);
