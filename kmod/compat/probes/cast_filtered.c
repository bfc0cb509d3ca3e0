// SPDX-License-Identifier: GPL-2.0
/* Can it be decided of each listener whether it gets a message? */
#include <linux/netlink.h>

int vmdedup_probe(struct sock *sk, struct sk_buff *skb,
		  int (*filter)(struct sock *sk, struct sk_buff *skb,
				void *data));
int vmdedup_probe(struct sock *sk, struct sk_buff *skb,
		  int (*filter)(struct sock *sk, struct sk_buff *skb,
				void *data))
{
	return netlink_broadcast_filtered(sk, skb, 0, 1, GFP_KERNEL, filter,
					  NULL);
}
