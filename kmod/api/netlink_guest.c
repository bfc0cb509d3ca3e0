// SPDX-License-Identifier: GPL-2.0
/* Guests over netlink: address spaces with regions. */
#include <linux/cred.h>
#include <linux/pid.h>
#include <linux/user_namespace.h>

#include "../mm/exclude.h"
#include "../mm/region.h"
#include "../scan/recount.h"
#include "kapi.h"
#include "netlink.h"

static const struct nla_policy key_policy[VMDEDUP_A_GUEST_MAX + 1] = {
	[VMDEDUP_A_GUEST_ID] = { .type = NLA_U64 },
	[VMDEDUP_A_GUEST_PID] = NLA_POLICY_MIN(NLA_U32, 1),
};

const struct nla_policy vmdedup_get_guest_policy[VMDEDUP_A_MAX + 1] = {
	[VMDEDUP_A_GUEST] = NLA_POLICY_NESTED(key_policy),
};

static const struct nla_policy change_policy[VMDEDUP_A_GUEST_MAX + 1] = {
	[VMDEDUP_A_GUEST_PID] = NLA_POLICY_MIN(NLA_U32, 1),
	[VMDEDUP_A_GUEST_EXCLUDED] = NLA_POLICY_MAX(NLA_U8, 1),
};

const struct nla_policy vmdedup_set_guest_policy[VMDEDUP_A_MAX + 1] = {
	[VMDEDUP_A_GUEST] = NLA_POLICY_NESTED(change_policy),
};

static int put_process(struct sk_buff *skb, struct vmdedup_space *space)
{
	char comm[TASK_COMM_LEN];
	pid_t nr = vmdedup_space_pid(space);
	u64 cgroup, domain;
	kuid_t uid;

	spin_lock(&space->lock);
	memcpy(comm, space->comm, sizeof(comm));
	uid = space->uid;
	cgroup = space->cgroup;
	domain = space->domain;
	spin_unlock(&space->lock);

	if ((nr && nla_put_u32(skb, VMDEDUP_A_GUEST_PID, nr)) ||
	    nla_put_string(skb, VMDEDUP_A_GUEST_COMM, comm) ||
	    nla_put_u32(skb, VMDEDUP_A_GUEST_UID,
			from_kuid_munged(&init_user_ns, uid)) ||
	    (cgroup && nla_put_u64_64bit(skb, VMDEDUP_A_GUEST_CGROUP, cgroup,
					 VMDEDUP_A_GUEST_PAD)) ||
	    nla_put_u64_64bit(skb, VMDEDUP_A_GUEST_DOMAIN, domain,
			      VMDEDUP_A_GUEST_PAD))
		return -EMSGSIZE;
	return 0;
}

static int put_guest(struct sk_buff *skb, void *what)
{
	struct nlattr *nest = nla_nest_start(skb, VMDEDUP_A_GUEST);
	struct vmdedup_space *space = what;
	struct vmdedup_space_sum sum;

	if (!nest)
		return -EMSGSIZE;
	vmdedup_space_sum(space, &sum);
	if (nla_put_u64_64bit(skb, VMDEDUP_A_GUEST_ID, space->id,
			      VMDEDUP_A_GUEST_PAD) ||
	    put_process(skb, space) ||
	    nla_put_u8(skb, VMDEDUP_A_GUEST_KVM, READ_ONCE(space->kvm)) ||
	    nla_put_u8(skb, VMDEDUP_A_GUEST_EXCLUDED,
		       vmdedup_excluded(space->pid)) ||
	    nla_put_u32(skb, VMDEDUP_A_GUEST_REGIONS, sum.regions) ||
	    nla_put_u64_64bit(skb, VMDEDUP_A_GUEST_BYTES, sum.bytes,
			      VMDEDUP_A_GUEST_PAD) ||
	    vmdedup_netlink_put_ledger(skb, VMDEDUP_A_GUEST_LEDGER,
				       &sum.ledger))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static struct vmdedup_space *guest_by_pid(u32 nr, struct netlink_ext_ack *extack)
{
	struct pid *pid = vmdedup_netlink_pid(nr);
	struct vmdedup_space *space;

	if (!pid) {
		NL_SET_ERR_MSG(extack, "there is no process with this pid");
		return ERR_PTR(-ESRCH);
	}
	space = vmdedup_space_get_by_pid(pid);
	put_pid(pid);
	if (space)
		return space;
	NL_SET_ERR_MSG(extack, "no memory of this process is registered");
	return ERR_PTR(-ENOENT);
}

static struct vmdedup_space *guest_by_id(u64 id, struct netlink_ext_ack *extack)
{
	struct vmdedup_space *space = vmdedup_space_get(id);

	if (space)
		return space;
	NL_SET_ERR_MSG(extack, "there is no guest with this id");
	return ERR_PTR(-ENOENT);
}

/* The guest that a request names, with a reference. */
static struct vmdedup_space *guest_of(struct nlattr **attrs,
				      struct netlink_ext_ack *extack)
{
	struct nlattr *tb[VMDEDUP_A_GUEST_MAX + 1];
	int err;

	if (!attrs[VMDEDUP_A_GUEST]) {
		NL_SET_ERR_MSG(extack, "which guest? the attribute guest is missing");
		return ERR_PTR(-EINVAL);
	}
	err = nla_parse_nested(tb, VMDEDUP_A_GUEST_MAX, attrs[VMDEDUP_A_GUEST],
			       key_policy, extack);
	if (err)
		return ERR_PTR(err);
	if (!tb[VMDEDUP_A_GUEST_ID] == !tb[VMDEDUP_A_GUEST_PID]) {
		NL_SET_ERR_MSG_ATTR(extack, attrs[VMDEDUP_A_GUEST],
				    "a guest is named by its id or its pid, one of them");
		return ERR_PTR(-EINVAL);
	}
	if (tb[VMDEDUP_A_GUEST_PID])
		return guest_by_pid(nla_get_u32(tb[VMDEDUP_A_GUEST_PID]), extack);
	return guest_by_id(nla_get_u64(tb[VMDEDUP_A_GUEST_ID]), extack);
}

int vmdedup_netlink_get_guest(struct sk_buff *skb, struct genl_info *info)
{
	struct vmdedup_space *space;
	int err;

	vmdedup_recount_want();
	/* What is gone is not to be found. */
	vmdedup_region_reap();
	space = guest_of(info->attrs, info->extack);
	if (IS_ERR(space))
		return PTR_ERR(space);
	err = vmdedup_netlink_reply(info, put_guest, space);
	vmdedup_space_put(space);
	return err;
}

int vmdedup_netlink_start_guests(struct netlink_callback *cb)
{
	struct vmdedup_dump *dump = (void *)cb->ctx;
	struct nlattr *tb[VMDEDUP_A_MAX + 1];
	int err;

	err = genlmsg_parse(cb->nlh, &vmdedup_family, tb, VMDEDUP_A_MAX,
			    vmdedup_get_guest_policy, cb->extack);
	if (err)
		return err;
	if (tb[VMDEDUP_A_GUEST]) {
		NL_SET_ERR_MSG_ATTR(cb->extack, tb[VMDEDUP_A_GUEST],
				    "a dump is of all guests");
		return -EINVAL;
	}
	*dump = (struct vmdedup_dump){ .end = vmdedup_space_newest() };
	vmdedup_recount_want();
	vmdedup_region_reap();
	return 0;
}

int vmdedup_netlink_dump_guests(struct sk_buff *skb,
				struct netlink_callback *cb)
{
	struct vmdedup_dump *dump = (void *)cb->ctx;
	struct vmdedup_space *space;
	int err = 0;

	cb->seq = vmdedup_region_generation();
	while (!err && (space = vmdedup_space_next(dump->last, dump->end))) {
		err = vmdedup_netlink_dump(skb, cb, put_guest, space);
		if (!err)
			dump->last = space->id;
		vmdedup_space_put(space);
		cond_resched();
	}
	/* What did not fit comes first in the next part. */
	return skb->len ?: err;
}

int vmdedup_netlink_set_guest(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *nest = info->attrs[VMDEDUP_A_GUEST];
	struct nlattr *tb[VMDEDUP_A_GUEST_MAX + 1];
	struct pid *pid;
	int err;

	if (!nest) {
		NL_SET_ERR_MSG(info->extack, "which guest? the attribute guest is missing");
		return -EINVAL;
	}
	err = nla_parse_nested(tb, VMDEDUP_A_GUEST_MAX, nest, change_policy,
			       info->extack);
	if (err)
		return err;
	if (!tb[VMDEDUP_A_GUEST_PID] || !tb[VMDEDUP_A_GUEST_EXCLUDED]) {
		NL_SET_ERR_MSG_ATTR(info->extack, nest,
				    "pid and excluded are needed, both");
		return -EINVAL;
	}
	pid = vmdedup_netlink_pid(nla_get_u32(tb[VMDEDUP_A_GUEST_PID]));
	if (!pid) {
		NL_SET_ERR_MSG_ATTR(info->extack, tb[VMDEDUP_A_GUEST_PID],
				    "there is no process with this pid");
		return -ESRCH;
	}
	err = vmdedup_exclude_set(pid, nla_get_u8(tb[VMDEDUP_A_GUEST_EXCLUDED]));
	put_pid(pid);
	if (!err)
		vmdedup_kapi_look_again();
	if (err == -ENOSPC)
		NL_SET_ERR_MSG(info->extack, "too many processes are excluded");
	return err;
}
