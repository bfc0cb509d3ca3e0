/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMDEDUP_API_H
#define VMDEDUP_API_H

#include <linux/fs.h>
#include <linux/sysfs.h>

extern const struct file_operations vmdedup_fops;
extern const struct attribute_group *vmdedup_attr_groups[];

int vmdedup_netlink_init(void);
void vmdedup_netlink_exit(void);
void vmdedup_netlink_tuned(void);

/* Faults on request, for tests: in a debug build only. */
#ifdef VMDEDUP_DEBUG
void vmdedup_inject_init(void);
void vmdedup_inject_exit(void);
#else
static inline void vmdedup_inject_init(void) { }
static inline void vmdedup_inject_exit(void) { }
#endif

#endif /* VMDEDUP_API_H */
