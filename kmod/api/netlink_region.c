// SPDX-License-Identifier: GPL-2.0
/* Regions over netlink. */
#include <linux/sched.h>

#include "../mm/region.h"
#include "../scan/recount.h"
#include "netlink.h"

static const struct nla_policy key_policy[VMDEDUP_A_REGION_MAX + 1] = {
	[VMDEDUP_A_REGION_ID] = { .type = NLA_U64 },
	[VMDEDUP_A_REGION_GUEST_ID] = { .type = NLA_U64 },
};

const struct nla_policy vmdedup_get_region_policy[VMDEDUP_A_MAX + 1] = {
	[VMDEDUP_A_REGION] = NLA_POLICY_NESTED(key_policy),
};

static int put_range(struct sk_buff *skb, struct vmdedup_region *region)
{
	unsigned int flags = READ_ONCE(region->flags);

	if (nla_put_u64_64bit(skb, VMDEDUP_A_REGION_START, region->start,
			      VMDEDUP_A_REGION_PAD) ||
	    nla_put_u64_64bit(skb, VMDEDUP_A_REGION_LENGTH,
			      region->end - region->start,
			      VMDEDUP_A_REGION_PAD) ||
	    nla_put_u32(skb, VMDEDUP_A_REGION_FLAGS, flags))
		return -EMSGSIZE;
	if (flags & VMDEDUP_REGION_DISCOVERED &&
	    (nla_put_u64_64bit(skb, VMDEDUP_A_REGION_GPA, region->gpa,
			       VMDEDUP_A_REGION_PAD) ||
	     nla_put_u32(skb, VMDEDUP_A_REGION_SLOT,
			 READ_ONCE(region->slot))))
		return -EMSGSIZE;
	return 0;
}

static int put_region(struct sk_buff *skb, void *what)
{
	struct nlattr *nest = nla_nest_start(skb, VMDEDUP_A_REGION);
	struct vmdedup_region *region = what;
	pid_t nr = vmdedup_space_pid(region->space);
	struct vmdedup_ledger ledger;

	if (!nest)
		return -EMSGSIZE;
	spin_lock(&region->lock);
	ledger = region->ledger;
	spin_unlock(&region->lock);
	if (nla_put_u64_64bit(skb, VMDEDUP_A_REGION_ID, region->id,
			      VMDEDUP_A_REGION_PAD) ||
	    nla_put_u64_64bit(skb, VMDEDUP_A_REGION_GUEST_ID,
			      region->space->id, VMDEDUP_A_REGION_PAD) ||
	    (nr && nla_put_u32(skb, VMDEDUP_A_REGION_PID, nr)) ||
	    put_range(skb, region) ||
	    vmdedup_netlink_put_ledger(skb, VMDEDUP_A_REGION_LEDGER, &ledger))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

/* Which region, or which guest's, a request names; 0 if it does not. */
static int parse_key(struct nlattr *nest, u64 *id, u64 *guest,
		     struct netlink_ext_ack *extack)
{
	struct nlattr *tb[VMDEDUP_A_REGION_MAX + 1];
	int err;

	*id = 0;
	*guest = 0;
	if (!nest)
		return 0;
	err = nla_parse_nested(tb, VMDEDUP_A_REGION_MAX, nest, key_policy,
			       extack);
	if (err)
		return err;
	if (tb[VMDEDUP_A_REGION_ID])
		*id = nla_get_u64(tb[VMDEDUP_A_REGION_ID]);
	if (tb[VMDEDUP_A_REGION_GUEST_ID])
		*guest = nla_get_u64(tb[VMDEDUP_A_REGION_GUEST_ID]);
	/* No id is 0. */
	if ((tb[VMDEDUP_A_REGION_ID] && !*id) ||
	    (tb[VMDEDUP_A_REGION_GUEST_ID] && !*guest)) {
		NL_SET_ERR_MSG_ATTR(extack, nest, "ids begin with 1");
		return -EINVAL;
	}
	return 0;
}

static struct vmdedup_region *region_of(struct genl_info *info)
{
	struct nlattr *nest = info->attrs[VMDEDUP_A_REGION];
	struct vmdedup_region *region;
	u64 id, guest;
	int err;

	err = parse_key(nest, &id, &guest, info->extack);
	if (err)
		return ERR_PTR(err);
	if (!id || guest) {
		NL_SET_ERR_MSG(info->extack, "a region is named by its id");
		return ERR_PTR(-EINVAL);
	}
	region = vmdedup_region_get(id);
	if (region)
		return region;
	NL_SET_ERR_MSG(info->extack, "there is no region with this id");
	return ERR_PTR(-ENOENT);
}

int vmdedup_netlink_get_region(struct sk_buff *skb, struct genl_info *info)
{
	struct vmdedup_region *region;
	int err;

	vmdedup_recount_want();
	vmdedup_region_reap();
	region = region_of(info);
	if (IS_ERR(region))
		return PTR_ERR(region);
	err = vmdedup_netlink_reply(info, put_region, region);
	vmdedup_region_put(region);
	return err;
}

int vmdedup_netlink_start_regions(struct netlink_callback *cb)
{
	struct vmdedup_dump *dump = (void *)cb->ctx;
	struct nlattr *tb[VMDEDUP_A_MAX + 1];
	struct vmdedup_space *space;
	u64 id;
	int err;

	*dump = (struct vmdedup_dump){ .end = vmdedup_region_newest() };
	err = genlmsg_parse(cb->nlh, &vmdedup_family, tb, VMDEDUP_A_MAX,
			    vmdedup_get_region_policy, cb->extack);
	if (!err)
		err = parse_key(tb[VMDEDUP_A_REGION], &id, &dump->guest,
				cb->extack);
	if (err)
		return err;
	if (id) {
		NL_SET_ERR_MSG_ATTR(cb->extack, tb[VMDEDUP_A_REGION],
				    "a dump is of all regions, or of a guest's");
		return -EINVAL;
	}
	vmdedup_recount_want();
	vmdedup_region_reap();
	if (!dump->guest)
		return 0;
	space = vmdedup_space_get(dump->guest);
	if (!space) {
		NL_SET_ERR_MSG_ATTR(cb->extack, tb[VMDEDUP_A_REGION],
				    "there is no guest with this id");
		return -ENOENT;
	}
	vmdedup_space_put(space);
	return 0;
}

int vmdedup_netlink_dump_regions(struct sk_buff *skb,
				 struct netlink_callback *cb)
{
	struct vmdedup_dump *dump = (void *)cb->ctx;
	struct vmdedup_region *region;
	int err = 0;

	cb->seq = vmdedup_region_generation();
	while (!err && (region = vmdedup_region_next(dump->last, dump->end))) {
		if (!dump->guest || region->space->id == dump->guest)
			err = vmdedup_netlink_dump(skb, cb, put_region,
						   region);
		if (!err)
			dump->last = region->id;
		vmdedup_region_put(region);
		cond_resched();
	}
	return skb->len ?: err;
}
