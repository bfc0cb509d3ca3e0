/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMDEDUP_API_H
#define VMDEDUP_API_H

#include <linux/fs.h>
#include <linux/sysfs.h>

extern const struct file_operations vmdedup_fops;
extern const struct attribute_group *vmdedup_attr_groups[];

#endif /* VMDEDUP_API_H */
