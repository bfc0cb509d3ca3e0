/* SPDX-License-Identifier: GPL-2.0 */
/* Where supported kernels differ in generic netlink. */
#ifndef VMDEDUP_COMPAT_NETLINK_H
#define VMDEDUP_COMPAT_NETLINK_H

#include <linux/netlink.h>
#include <linux/rcupdate.h>
#include <net/genetlink.h>
#include <net/net_namespace.h>

#include "vmdedup_probes.h"

#if VMDEDUP_PROBE_cast_filtered + VMDEDUP_PROBE_cast_plain != 1
#error "vmdedup: unknown way to send to a multicast group; this kernel is not supported"
#endif

/* Listening to a group takes CAP_NET_ADMIN: early releases of 6.1 name it so. */
#ifdef GENL_MCAST_CAP_NET_ADMIN
#define VMDEDUP_MCAST_CAP_NET_ADMIN	GENL_MCAST_CAP_NET_ADMIN
#else
#define VMDEDUP_MCAST_CAP_NET_ADMIN	GENL_UNS_ADMIN_PERM
#endif

/*
 * Keeps a message from a listener if it returns something else than 0. Called
 * while no socket can leave its groups: it is not closed yet. May not sleep.
 */
typedef int (*vmdedup_compat_filter_t)(struct sock *sk, struct sk_buff *skb,
				       void *data);

/* Is the filter of vmdedup_compat_multicast() asked? */
static inline bool vmdedup_compat_filters(void)
{
	return VMDEDUP_PROBE_cast_filtered;
}

/**
 * vmdedup_compat_multicast() - genlmsg_multicast(), to some of those who listen
 * @family: whose group
 * @skb: the message; consumed
 * @group: its place in the family's list
 * @gfp: sleeps only if that does
 * @filter: who gets nothing; asked where vmdedup_compat_filters()
 *
 * Return: 0; -ESRCH if nobody got it; -ENOBUFS.
 */
static inline int vmdedup_compat_multicast(const struct genl_family *family,
					   struct sk_buff *skb,
					   unsigned int group, gfp_t gfp,
					   vmdedup_compat_filter_t filter)
{
#if VMDEDUP_PROBE_cast_filtered
	group += family->mcgrp_offset;
	NETLINK_CB(skb).dst_group = group;
	return netlink_broadcast_filtered(init_net.genl_sock, skb, 0, group,
					  gfp, filter, NULL);
#else
	return genlmsg_multicast(family, skb, 0, group, gfp);
#endif
}

/**
 * vmdedup_compat_wait_for_joins() - until who was joining a group has joined
 *
 * Between being asked for privilege and having joined, a task sleeps only while
 * some other message is sent; so that it has slept or is back in user space means
 * that it is through. Without preemption this is RCU's ordinary grace period, which
 * tells less: such a kernel may yield there.
 *
 * May sleep, for as long as the slowest task takes.
 */
static inline void vmdedup_compat_wait_for_joins(void)
{
	synchronize_rcu_tasks();
}

#endif /* VMDEDUP_COMPAT_NETLINK_H */
