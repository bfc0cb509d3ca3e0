/* SPDX-License-Identifier: GPL-2.0 */
/* Where supported kernels differ in generic netlink. */
#ifndef VMDEDUP_COMPAT_NETLINK_H
#define VMDEDUP_COMPAT_NETLINK_H

#include <net/genetlink.h>

/* Listening to a group takes CAP_NET_ADMIN: early releases of 6.1 name it so. */
#ifdef GENL_MCAST_CAP_NET_ADMIN
#define VMDEDUP_MCAST_CAP_NET_ADMIN	GENL_MCAST_CAP_NET_ADMIN
#else
#define VMDEDUP_MCAST_CAP_NET_ADMIN	GENL_UNS_ADMIN_PERM
#endif

#endif /* VMDEDUP_COMPAT_NETLINK_H */
