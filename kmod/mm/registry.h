/* SPDX-License-Identifier: GPL-2.0 */
/* What spaces and regions have in common: for space.c and region.c only. */
#ifndef VMDEDUP_MM_REGISTRY_H
#define VMDEDUP_MM_REGISTRY_H

#include <linux/mutex.h>

#include "region.h"

extern struct mutex vmdedup_registry_lock;

/* With the registry lock held: */
struct vmdedup_space *vmdedup_space_find(struct mm_struct *mm);
int vmdedup_space_make(struct vmdedup_space *space,
		       const struct vmdedup_register_args *args);
void vmdedup_space_unlink_if_empty(struct vmdedup_space *space);

#endif /* VMDEDUP_MM_REGISTRY_H */
