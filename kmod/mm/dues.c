// SPDX-License-Identifier: GPL-2.0
#include <linux/cred.h>
#include <linux/user_namespace.h>
#include <linux/xarray.h>

#include "dues.h"
#include "registry.h"

/* How many each user has who has any, by kuid; under the registry lock. */
static struct xarray dues[VMDEDUP_DUE_NR] = {
	[VMDEDUP_DUE_ASKED] = XARRAY_INIT(dues, 0),
	[VMDEDUP_DUE_FOUND] = XARRAY_INIT(dues, 0),
	[VMDEDUP_DUE_GUEST] = XARRAY_INIT(dues, 0),
};

/**
 * vmdedup_due_payer() - who answers for what somebody registers
 * @cred: of the caller
 *
 * The real user: a set-user-ID program does not change it. In a user namespace
 * that is whoever made the outermost of those it is in, for the many users that
 * they may have there are not many people; but not root, who makes them for
 * others.
 *
 * Any context.
 */
kuid_t vmdedup_due_payer(const struct cred *cred)
{
	struct user_namespace *ns;
	kuid_t payer = cred->uid;

	for (ns = cred->user_ns; ns != &init_user_ns; ns = ns->parent)
		if (!uid_eq(ns->owner, GLOBAL_ROOT_UID))
			payer = ns->owner;
	return payer;
}

/* How many a user has. */
static unsigned long dues_of(enum vmdedup_due_kind kind, kuid_t payer)
{
	void *entry = xa_load(&dues[kind], __kuid_val(payer));

	return entry ? xa_to_value(entry) : 0;
}

/**
 * vmdedup_due_take() - count a registration, or a guest
 * @due: out
 * @kind: as what
 * @payer: for whom
 * @limit: how many they may have, or VMDEDUP_NO_LIMIT
 *
 * May sleep.
 *
 * Return: 0, -EDQUOT if they have as many, or -ENOMEM.
 */
int vmdedup_due_take(struct vmdedup_due *due, enum vmdedup_due_kind kind,
		     kuid_t payer, unsigned int limit)
{
	unsigned long nr = dues_of(kind, payer);
	int err;

	lockdep_assert_held(&vmdedup_registry_lock);
	due->kind = kind;
	due->payer = payer;
	due->counted = false;
	if (limit == VMDEDUP_NO_LIMIT)
		return 0;
	if (nr >= limit)
		return -EDQUOT;
	err = xa_err(xa_store(&dues[kind], __kuid_val(payer),
			      xa_mk_value(nr + 1), GFP_KERNEL));
	if (err)
		return err;
	due->counted = true;
	return 0;
}

/**
 * vmdedup_due_drop() - what was counted has gone
 * @due: as taken; or all zero, if there was none
 *
 * Neither fails nor allocates: the entry is there.
 */
void vmdedup_due_drop(struct vmdedup_due *due)
{
	struct xarray *all = &dues[due->kind];
	unsigned long nr;

	lockdep_assert_held(&vmdedup_registry_lock);
	if (!due->counted)
		return;
	due->counted = false;
	nr = dues_of(due->kind, due->payer);
	if (nr > 1)
		xa_store(all, __kuid_val(due->payer), xa_mk_value(nr - 1),
			 GFP_NOWAIT);
	else
		xa_erase(all, __kuid_val(due->payer));
}
