// SPDX-License-Identifier: GPL-2.0
/*
 * What is sent without being asked for: statistics now and then, and news.
 *
 * Both only to those who listen. That somebody has begun to, the kernel tells
 * nobody; so while there is no listener, the work looks for one each second,
 * which is all that it costs.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/net.h>
#include <linux/sched.h>
#include <linux/user_namespace.h>
#include <linux/workqueue.h>
#include <net/sock.h>

#include "../compat/netlink.h"
#include "../mm/news.h"
#include "../mm/region.h"
#include "../scan/engine.h"
#include "api.h"
#include "netlink.h"

/* Statistics take no more than this part of the time, however often. */
#define STATS_SHARE	20
/* Room for any event. */
#define EVENT_SIZE	512

static struct workqueue_struct *cast_wq;

static bool listeners(enum vmdedup_group group)
{
	return genl_has_listeners(&vmdedup_family, &init_net, group);
}

static unsigned long stats_interval(void)
{
	return msecs_to_jiffies(READ_ONCE(vmdedup_tunables.stats_interval_ms));
}

static void cast_stats(struct work_struct *work)
{
	struct delayed_work *stats_work = to_delayed_work(work);
	unsigned long delay = stats_interval();
	unsigned long began = jiffies;
	struct sk_buff *skb;

	if (listeners(VMDEDUP_GROUP_STATS)) {
		skb = vmdedup_netlink_stats(0, 0);
		if (skb)
			genlmsg_multicast(&vmdedup_family, skb, 0,
					  VMDEDUP_GROUP_STATS, GFP_KERNEL);
		delay = max(delay, (jiffies - began) * STATS_SHARE);
	} else {
		delay = HZ;
	}
	queue_delayed_work(cast_wq, stats_work, delay);
}

static DECLARE_DELAYED_WORK(stats_work, cast_stats);

/**
 * vmdedup_netlink_tuned() - a tunable was changed: heed it at once
 */
void vmdedup_netlink_tuned(void)
{
	if (listeners(VMDEDUP_GROUP_STATS))
		mod_delayed_work(cast_wq, &stats_work, stats_interval());
}

static int put_event_u64(struct sk_buff *skb, int attr, u64 value)
{
	return nla_put_u64_64bit(skb, attr, value, VMDEDUP_A_EVENT_PAD);
}

static int put_space(struct sk_buff *skb, struct vmdedup_space *space)
{
	pid_t nr = vmdedup_space_pid(space);
	char comm[TASK_COMM_LEN];

	spin_lock(&space->lock);
	memcpy(comm, space->comm, sizeof(comm));
	spin_unlock(&space->lock);
	if (put_event_u64(skb, VMDEDUP_A_EVENT_GUEST_ID, space->id) ||
	    (nr && nla_put_u32(skb, VMDEDUP_A_EVENT_PID, nr)) ||
	    nla_put_string(skb, VMDEDUP_A_EVENT_COMM, comm) ||
	    nla_put_u8(skb, VMDEDUP_A_EVENT_KVM, READ_ONCE(space->kvm)))
		return -EMSGSIZE;
	return 0;
}

static int put_region(struct sk_buff *skb, struct vmdedup_region *region)
{
	if (put_event_u64(skb, VMDEDUP_A_EVENT_REGION_ID, region->id) ||
	    put_event_u64(skb, VMDEDUP_A_EVENT_START, region->start) ||
	    put_event_u64(skb, VMDEDUP_A_EVENT_LENGTH,
			  region->end - region->start))
		return -EMSGSIZE;
	return 0;
}

static int put_frame(struct sk_buff *skb, const struct vmdedup_news *news)
{
	if (put_event_u64(skb, VMDEDUP_A_EVENT_PFN, news->pfn) ||
	    put_event_u64(skb, VMDEDUP_A_EVENT_MAPPINGS, news->mappings) ||
	    (news->region && put_event_u64(skb, VMDEDUP_A_EVENT_ADDRESS,
					   news->address)) ||
	    (news->type == VMDEDUP_EVENT_FRAME_CORRUPT &&
	     nla_put_u8(skb, VMDEDUP_A_EVENT_REPAIRED, news->repaired)))
		return -EMSGSIZE;
	return 0;
}

static int put_numbers(struct sk_buff *skb, const struct vmdedup_news *news)
{
	switch (news->type) {
	case VMDEDUP_EVENT_PASS_FINISHED:
		if (put_event_u64(skb, VMDEDUP_A_EVENT_SCANNED, news->scanned) ||
		    put_event_u64(skb, VMDEDUP_A_EVENT_TOOK_NS, news->took_ns))
			return -EMSGSIZE;
		fallthrough;
	case VMDEDUP_EVENT_COW_STORM:
		if (put_event_u64(skb, VMDEDUP_A_EVENT_MERGED, news->merged) ||
		    put_event_u64(skb, VMDEDUP_A_EVENT_BROKEN, news->broken))
			return -EMSGSIZE;
		break;
	case VMDEDUP_EVENT_RESERVE_LOW:
		if (put_event_u64(skb, VMDEDUP_A_EVENT_AVAILABLE,
				  news->available) ||
		    put_event_u64(skb, VMDEDUP_A_EVENT_RESERVE, news->reserve))
			return -EMSGSIZE;
		break;
	case VMDEDUP_EVENT_FRAME_CORRUPT:
	case VMDEDUP_EVENT_FRAME_POISONED:
		return put_frame(skb, news);
	default:
		break;
	}
	return 0;
}

static int put_event(struct sk_buff *skb, const struct vmdedup_news *news)
{
	struct nlattr *nest;
	void *hdr;

	hdr = genlmsg_put(skb, 0, 0, &vmdedup_family, 0, VMDEDUP_CMD_EVENT);
	if (!hdr)
		return -EMSGSIZE;
	nest = nla_nest_start(skb, VMDEDUP_A_EVENT);
	if (!nest || nla_put_u32(skb, VMDEDUP_A_EVENT_TYPE, news->type) ||
	    put_event_u64(skb, VMDEDUP_A_EVENT_TIME, ktime_get_boottime_ns()) ||
	    (news->space && put_space(skb, news->space)) ||
	    (news->region && put_region(skb, news->region)) ||
	    put_numbers(skb, news))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	genlmsg_end(skb, hdr);
	return 0;
}

/*
 * Had whoever opened a listener's socket no CAP_NET_ADMIN? That it has joined the
 * group proves nothing: see strangers() in netlink.c. As with commands, it is the
 * opener who counts: a socket may be given away.
 *
 * A socket leaves its groups before it is parted from its file, and none leaves
 * during a broadcast. Those of the kernel have no file, and do not listen.
 */
static int is_stranger(struct sock *sk, struct sk_buff *skb, void *data)
{
	const struct socket *sock = READ_ONCE(sk->sk_socket);
	const struct file *file = sock ? READ_ONCE(sock->file) : NULL;

	if (!file)
		return 1;
	/*
	 * What file_ns_capable() would say, but for security modules: these would
	 * write down each event that a stranger does not get.
	 */
	if (file->f_cred->user_ns != &init_user_ns ||
	    !cap_raised(file->f_cred->cap_effective, CAP_NET_ADMIN))
		return 1;
	return !file_ns_capable(file, &init_user_ns, CAP_NET_ADMIN);
}

/* Never waits for memory: a registration is not to be held up by its news. */
static void cast_event(const struct vmdedup_news *news)
{
	/* But that memory is short must be heard of even then. */
	gfp_t gfp = (news->type == VMDEDUP_EVENT_RESERVE_LOW ? GFP_ATOMIC :
		     GFP_NOWAIT) | __GFP_NOWARN;
	struct sk_buff *skb;

	/*
	 * A stranger is a listener, too, as far as that tells; but composing an
	 * event costs little beside what it is news of.
	 */
	if (!listeners(VMDEDUP_GROUP_EVENTS))
		return;
	skb = genlmsg_new(EVENT_SIZE, gfp);
	if (skb && !put_event(skb, news)) {
		vmdedup_compat_multicast(&vmdedup_family, skb,
					 VMDEDUP_GROUP_EVENTS, gfp,
					 is_stranger);
		return;
	}
	nlmsg_free(skb);
	/* Have them know that they missed something; a stranger learns no more. */
	genl_set_err(&vmdedup_family, &init_net, 0, VMDEDUP_GROUP_EVENTS,
		     -ENOBUFS);
}

/**
 * vmdedup_netlink_cast_init() - begin to send
 * @events: send events, too
 *
 * The family is registered.
 *
 * Return: 0 or -ENOMEM.
 */
int vmdedup_netlink_cast_init(bool events)
{
	cast_wq = alloc_workqueue("vmdedup", WQ_UNBOUND | WQ_FREEZABLE, 1);
	if (!cast_wq)
		return -ENOMEM;
	if (events)
		vmdedup_news_subscribe(cast_event);
	queue_delayed_work(cast_wq, &stats_work, HZ);
	return 0;
}

/**
 * vmdedup_netlink_cast_exit() - undo vmdedup_netlink_cast_init()
 */
void vmdedup_netlink_cast_exit(void)
{
	vmdedup_news_subscribe(NULL);
	cancel_delayed_work_sync(&stats_work);
	destroy_workqueue(cast_wq);
}
