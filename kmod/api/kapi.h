/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The engine as other modules see it: to look after memory on behalf of guests
 * that they find. Whoever uses it keeps the engine's module loaded.
 *
 * A user has an owner for each guest, registers ranges for it, and drops them
 * one by one or all at once. Merged pages stay merged when a region goes.
 */
#ifndef VMDEDUP_API_KAPI_H
#define VMDEDUP_API_KAPI_H

#include <linux/wait.h>

#include "../mm/charge.h"
#include "../mm/region.h"

bool vmdedup_kapi_payer(struct task_struct *task, kuid_t *payer);
int vmdedup_kapi_owner_init(struct vmdedup_owner *owner, kuid_t payer,
			    unsigned int limit);
void vmdedup_kapi_owner_release(struct vmdedup_owner *owner);
int vmdedup_kapi_register(struct vmdedup_register_args *args);
void vmdedup_kapi_drop(struct vmdedup_owner *owner, u64 id);
void vmdedup_kapi_set_slot(u64 id, unsigned int slot);

bool vmdedup_kapi_discover(void);
bool vmdedup_kapi_excluded(struct pid *pid);
unsigned int vmdedup_kapi_changes(void);
struct wait_queue_head *vmdedup_kapi_wait(void);

/* For the engine itself. */
void vmdedup_kapi_look_again(void);

#endif /* VMDEDUP_API_KAPI_H */
