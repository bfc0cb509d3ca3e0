/* SPDX-License-Identifier: GPL-2.0 */
/* Processes that are not to be discovered. */
#ifndef VMDEDUP_MM_EXCLUDE_H
#define VMDEDUP_MM_EXCLUDE_H

#include <linux/pid.h>
#include <linux/types.h>

int vmdedup_exclude_set(struct pid *pid, bool excluded);
bool vmdedup_excluded(struct pid *pid);
void vmdedup_exclude_exit(void);

#endif /* VMDEDUP_MM_EXCLUDE_H */
