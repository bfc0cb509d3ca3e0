/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Dues: who answers for a registration, and how many each user may have.
 *
 * A registration takes memory of the kernel for as long as it lasts, whoever's
 * memory it is of. It is counted for the user who made it, and stays so whatever
 * becomes of the process that did. What discovery registers nobody has asked for:
 * it is counted for the user of the guest, apart from that.
 */
#ifndef VMDEDUP_MM_DUES_H
#define VMDEDUP_MM_DUES_H

#include <linux/types.h>
#include <linux/uidgid.h>

struct cred;

/**
 * enum vmdedup_due_kind - what is counted, each for itself
 * @VMDEDUP_DUE_ASKED: registrations by hand
 * @VMDEDUP_DUE_FOUND: regions that discovery has registered
 * @VMDEDUP_DUE_GUEST: guests that it looks after
 * @VMDEDUP_DUE_NR: how many kinds there are
 */
enum vmdedup_due_kind {
	VMDEDUP_DUE_ASKED,
	VMDEDUP_DUE_FOUND,
	VMDEDUP_DUE_GUEST,
	VMDEDUP_DUE_NR
};

/* What is of somebody without a limit is not counted. */
#define VMDEDUP_NO_LIMIT	UINT_MAX

/**
 * struct vmdedup_due - a registration, or a guest, as counted
 * @kind: as what
 * @payer: for whom
 * @counted: is it?
 */
struct vmdedup_due {
	enum vmdedup_due_kind kind;
	kuid_t payer;
	bool counted;
};

kuid_t vmdedup_due_payer(const struct cred *cred);

/* With the registry lock held: */
int vmdedup_due_take(struct vmdedup_due *due, enum vmdedup_due_kind kind,
		     kuid_t payer, unsigned int limit);
void vmdedup_due_drop(struct vmdedup_due *due);

#endif /* VMDEDUP_MM_DUES_H */
