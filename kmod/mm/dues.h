/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Dues: who answers for a registration, and how many each user may have.
 *
 * A registration takes memory of the kernel for as long as it lasts, whoever's
 * memory it is of. It is counted for the user who made it, and stays so whatever
 * becomes of the process that did.
 */
#ifndef VMDEDUP_MM_DUES_H
#define VMDEDUP_MM_DUES_H

#include <linux/types.h>
#include <linux/uidgid.h>

struct cred;

/* Registrations of who has no limit are not counted. */
#define VMDEDUP_NO_LIMIT	UINT_MAX

/**
 * struct vmdedup_due - a registration as counted
 * @payer: for whom
 * @counted: is it?
 */
struct vmdedup_due {
	kuid_t payer;
	bool counted;
};

kuid_t vmdedup_due_payer(const struct cred *cred);

/* With the registry lock held: */
int vmdedup_due_take(struct vmdedup_due *due, kuid_t payer, unsigned int limit);
void vmdedup_due_drop(struct vmdedup_due *due);

#endif /* VMDEDUP_MM_DUES_H */
