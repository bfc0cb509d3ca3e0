// SPDX-License-Identifier: GPL-2.0
/*
 * The generic netlink family. The contract, and every error, is in the UAPI
 * header; Documentation/netlink/specs/vmdedup.yaml tells the same to tools.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/rcupdate.h>

#include "../compat/netlink.h"
#include "../scan/engine.h"
#include "api.h"
#include "netlink.h"

/**
 * vmdedup_netlink_pid() - find a process
 * @nr: its number in the initial namespace
 *
 * Return: its struct pid with a reference, or NULL.
 */
struct pid *vmdedup_netlink_pid(u32 nr)
{
	struct pid *pid;

	rcu_read_lock();
	pid = find_pid_ns(nr, &init_pid_ns);
	if (pid && pid_task(pid, PIDTYPE_TGID))
		get_pid(pid);
	else
		pid = NULL;
	rcu_read_unlock();
	return pid;
}

/* Pages not merged, by reason; @all: those that are 0, too. */
static int put_skipped(struct sk_buff *skb, int attr, const u64 *skipped,
		       bool all)
{
	struct nlattr *nest = nla_nest_start(skb, attr);
	unsigned int i;

	if (!nest)
		return -EMSGSIZE;
	/* Reason 0 is type 1, for 0 is what pads here. */
	for (i = 0; i < VMDEDUP_SKIP_NR; i++)
		if ((all || skipped[i]) &&
		    nla_put_u64_64bit(skb, i + 1, skipped[i], 0))
			return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

/**
 * struct layout - of a nest with values of a list, and pages skipped
 * @skipped: type of the nest of the latter; the values' types follow it
 * @pad: what pads
 * @all: of pages skipped, put those that are 0, too
 */
struct layout {
	int skipped;
	int pad;
	bool all;
};

static int put_values(struct sk_buff *skb, int attr,
		      const struct layout *layout, const u64 *value,
		      unsigned int nr, const u64 *skipped)
{
	struct nlattr *nest = nla_nest_start(skb, attr);
	unsigned int i;

	if (!nest)
		return -EMSGSIZE;
	for (i = 0; i < nr; i++)
		if (nla_put_u64_64bit(skb, layout->skipped + 1 + i, value[i],
				      layout->pad))
			return -EMSGSIZE;
	if (put_skipped(skb, layout->skipped, skipped, layout->all))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

/**
 * vmdedup_netlink_put_ledger() - put a nest with a ledger
 * @skb: the message
 * @attr: the nest's type
 * @ledger: the ledger
 *
 * Return: 0 or -EMSGSIZE.
 */
int vmdedup_netlink_put_ledger(struct sk_buff *skb, int attr,
			       const struct vmdedup_ledger *ledger)
{
	static const struct layout layout = {
		.skipped = VMDEDUP_A_LEDGER_SKIPPED,
		.pad = VMDEDUP_A_LEDGER_PAD,
	};

	BUILD_BUG_ON(VMDEDUP_A_LEDGER_SKIPPED + VMDEDUP_LEDGER_NR !=
		     VMDEDUP_A_LEDGER_MAX);
	return put_values(skb, attr, &layout, ledger->value, VMDEDUP_LEDGER_NR,
			  ledger->skipped);
}

static int put_stats(struct sk_buff *skb, const struct vmdedup_stats *stats)
{
	static const struct layout layout = {
		.skipped = VMDEDUP_A_STATS_SKIPPED,
		.pad = VMDEDUP_A_STATS_PAD,
		.all = true,
	};

	BUILD_BUG_ON(VMDEDUP_A_STATS_SKIPPED + VMDEDUP_STAT_NR !=
		     VMDEDUP_A_STATS_MAX);
	return put_values(skb, VMDEDUP_A_STATS, &layout, stats->value,
			  VMDEDUP_STAT_NR, stats->skipped);
}

/**
 * vmdedup_netlink_reply() - answer with one object
 * @info: the request
 * @put: puts the object; returns 0 or -EMSGSIZE
 * @what: the object
 *
 * Return: 0 or -errno.
 */
int vmdedup_netlink_reply(struct genl_info *info, vmdedup_netlink_put_t put,
			  void *what)
{
	struct sk_buff *reply;
	int err = -EMSGSIZE;
	void *hdr;

	reply = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!reply)
		return -ENOMEM;
	hdr = genlmsg_put_reply(reply, info, &vmdedup_family, 0,
				info->genlhdr->cmd);
	if (hdr)
		err = put(reply, what);
	if (err) {
		nlmsg_free(reply);
		return err;
	}
	genlmsg_end(reply, hdr);
	return genlmsg_reply(reply, info);
}

/**
 * vmdedup_netlink_dump() - put one object into a dump
 * @skb: the message
 * @cb: the dump
 * @put: puts the object; returns 0 or -EMSGSIZE
 * @what: the object
 *
 * Return: 0; -EMSGSIZE if there is no room, and nothing was put.
 */
int vmdedup_netlink_dump(struct sk_buff *skb, struct netlink_callback *cb,
			 vmdedup_netlink_put_t put, void *what)
{
	const struct genlmsghdr *request = nlmsg_data(cb->nlh);
	void *hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid,
				cb->nlh->nlmsg_seq, &vmdedup_family,
				NLM_F_MULTI, request->cmd);

	if (!hdr)
		return -EMSGSIZE;
	genl_dump_check_consistent(cb, hdr);
	if (put(skb, what)) {
		genlmsg_cancel(skb, hdr);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, hdr);
	return 0;
}

/**
 * vmdedup_netlink_stats() - a message with the host's statistics
 * @portid: of who asked, or 0
 * @seq: of the request, or 0
 *
 * May sleep.
 *
 * Return: the message, or NULL without memory.
 */
struct sk_buff *vmdedup_netlink_stats(u32 portid, u32 seq)
{
	struct vmdedup_stats stats;
	struct sk_buff *skb;
	void *hdr;

	skb = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!skb)
		return NULL;
	vmdedup_account_read(&stats);
	hdr = genlmsg_put(skb, portid, seq, &vmdedup_family, 0,
			  VMDEDUP_CMD_GET_STATS);
	if (!hdr || put_stats(skb, &stats)) {
		nlmsg_free(skb);
		return NULL;
	}
	genlmsg_end(skb, hdr);
	return skb;
}

static int get_stats(struct sk_buff *skb, struct genl_info *info)
{
	struct sk_buff *reply;

	reply = vmdedup_netlink_stats(info->snd_portid, info->snd_seq);
	return reply ? genlmsg_reply(reply, info) : -ENOMEM;
}

static const struct nla_policy no_attrs[VMDEDUP_A_MAX + 1];

static const struct genl_ops ops[] = {
	{
		.cmd = VMDEDUP_CMD_GET_STATS,
		.policy = no_attrs,
		.maxattr = VMDEDUP_A_MAX,
		.doit = get_stats,
	},
	{
		.cmd = VMDEDUP_CMD_GET_GUEST,
		.flags = GENL_ADMIN_PERM,
		.policy = vmdedup_get_guest_policy,
		.maxattr = VMDEDUP_A_MAX,
		.doit = vmdedup_netlink_get_guest,
		.start = vmdedup_netlink_start_guests,
		.dumpit = vmdedup_netlink_dump_guests,
	},
	{
		.cmd = VMDEDUP_CMD_GET_REGION,
		.flags = GENL_ADMIN_PERM,
		.policy = vmdedup_get_region_policy,
		.maxattr = VMDEDUP_A_MAX,
		.doit = vmdedup_netlink_get_region,
		.start = vmdedup_netlink_start_regions,
		.dumpit = vmdedup_netlink_dump_regions,
	},
	{
		.cmd = VMDEDUP_CMD_SET_GUEST,
		.flags = GENL_ADMIN_PERM,
		.policy = vmdedup_set_guest_policy,
		.maxattr = VMDEDUP_A_MAX,
		.doit = vmdedup_netlink_set_guest,
	},
};

static const struct genl_multicast_group groups[] = {
	[VMDEDUP_GROUP_STATS] = { .name = VMDEDUP_MCGRP_STATS },
	[VMDEDUP_GROUP_EVENTS] = {
		.name = VMDEDUP_MCGRP_EVENTS,
		.flags = VMDEDUP_MCAST_CAP_NET_ADMIN,
	},
};

struct genl_family vmdedup_family __ro_after_init = {
	.name = VMDEDUP_GENL_NAME,
	.version = VMDEDUP_GENL_VERSION,
	.module = THIS_MODULE,
	.maxattr = VMDEDUP_A_MAX,
	.parallel_ops = true,
	.ops = ops,
	.n_ops = ARRAY_SIZE(ops),
	.mcgrps = groups,
	.n_mcgrps = ARRAY_SIZE(groups),
};

/* So often is a group without strangers tried for. */
#define REGISTER_TRIES	8

/*
 * Does anybody listen to events who was not asked for privilege?
 *
 * Groups can be joined before they are a family's, and then nobody is; who was
 * just doing so when the family got its groups joins after that. Where a filter
 * is asked, such a one gets nothing. Elsewhere there must be none. Somebody with
 * privilege who was quick cannot be told from one, nor can one in another network
 * namespace.
 */
static bool __init strangers(void)
{
	if (vmdedup_compat_filters())
		return false;
	vmdedup_compat_wait_for_joins();
	return genl_has_listeners(&vmdedup_family, &init_net,
				  VMDEDUP_GROUP_EVENTS);
}

/**
 * vmdedup_netlink_init() - register the family
 *
 * May sleep.
 *
 * Return: 0 or -errno.
 */
int __init vmdedup_netlink_init(void)
{
	unsigned int tries = REGISTER_TRIES;
	bool again;
	int err;

	do {
		err = genl_register_family(&vmdedup_family);
		if (err)
			return err;
		again = strangers() && --tries;
		/* This has everybody leave its groups. */
		if (again)
			genl_unregister_family(&vmdedup_family);
	} while (again);
	if (!tries)
		pr_warn("no events over netlink: somebody without privilege may be listening; look for who joins all groups of generic netlink (/proc/net/netlink, Eth 16), end it, and load the module again\n");
	err = vmdedup_netlink_cast_init(tries);
	if (err)
		genl_unregister_family(&vmdedup_family);
	return err;
}

/**
 * vmdedup_netlink_exit() - undo vmdedup_netlink_init()
 *
 * Nothing happens any more that there would be news of.
 */
void vmdedup_netlink_exit(void)
{
	vmdedup_netlink_cast_exit();
	genl_unregister_family(&vmdedup_family);
}
