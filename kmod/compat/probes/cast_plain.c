// SPDX-License-Identifier: GPL-2.0
/* Do all who listen get what is sent to a group? */
#include <linux/netlink.h>

/* Clashes with the one of the kernel if there is one. */
struct vmdedup_probe {
	int none;
} netlink_broadcast_filtered;
