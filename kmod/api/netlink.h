/* SPDX-License-Identifier: GPL-2.0 */
/* The generic netlink family: what its files have in common. */
#ifndef VMDEDUP_API_NETLINK_H
#define VMDEDUP_API_NETLINK_H

#include <net/genetlink.h>
#include <uapi/linux/vmdedup_netlink.h>

#include "../core/stats.h"

/* Multicast groups, by their place in the family's list. */
enum vmdedup_group {
	VMDEDUP_GROUP_STATS,
	VMDEDUP_GROUP_EVENTS,
};

/**
 * struct vmdedup_dump - how far a dump is; lives in netlink_callback.ctx
 * @last: id of what was put last
 * @end: id of the newest when it began: who keeps registering is not to keep it
 *	from its end
 * @guest: of which guest, or 0 for all
 */
struct vmdedup_dump {
	u64 last;
	u64 end;
	u64 guest;
};

static_assert(sizeof(struct vmdedup_dump) <=
	      sizeof_field(struct netlink_callback, ctx));

extern struct genl_family vmdedup_family;

int vmdedup_netlink_put_ledger(struct sk_buff *skb, int attr,
			       const struct vmdedup_ledger *ledger);
/* Puts an object into a message; returns 0 or -EMSGSIZE. */
typedef int (*vmdedup_netlink_put_t)(struct sk_buff *skb, void *what);

int vmdedup_netlink_reply(struct genl_info *info, vmdedup_netlink_put_t put,
			  void *what);
int vmdedup_netlink_dump(struct sk_buff *skb, struct netlink_callback *cb,
			 vmdedup_netlink_put_t put, void *what);
struct sk_buff *vmdedup_netlink_stats(u32 portid, u32 seq);
struct pid *vmdedup_netlink_pid(u32 nr);

/* netlink_guest.c */
int vmdedup_netlink_get_guest(struct sk_buff *skb, struct genl_info *info);
int vmdedup_netlink_start_guests(struct netlink_callback *cb);
int vmdedup_netlink_dump_guests(struct sk_buff *skb,
				struct netlink_callback *cb);
int vmdedup_netlink_set_guest(struct sk_buff *skb, struct genl_info *info);
extern const struct nla_policy vmdedup_get_guest_policy[VMDEDUP_A_MAX + 1];
extern const struct nla_policy vmdedup_set_guest_policy[VMDEDUP_A_MAX + 1];

/* netlink_region.c */
int vmdedup_netlink_get_region(struct sk_buff *skb, struct genl_info *info);
int vmdedup_netlink_start_regions(struct netlink_callback *cb);
int vmdedup_netlink_dump_regions(struct sk_buff *skb,
				 struct netlink_callback *cb);
extern const struct nla_policy vmdedup_get_region_policy[VMDEDUP_A_MAX + 1];

/* netlink_cast.c */
int vmdedup_netlink_cast_init(bool events);
void vmdedup_netlink_cast_exit(void);

#endif /* VMDEDUP_API_NETLINK_H */
