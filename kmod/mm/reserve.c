// SPDX-License-Identifier: GPL-2.0
/*
 * The reserve, see reserve.h.
 *
 * One work fills it, gives back what is too much, and tells when it drains. The
 * shrinker and the OOM notifier only take pages out: they are called where memory
 * is short and take nothing but a pool's spinlock, inside of which nothing happens
 * but list operations.
 */
#include <linux/atomic.h>
#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/notifier.h>
#include <linux/oom.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/vmstat.h>
#include <linux/workqueue.h>

#include "../compat/shrinker.h"
#include "news.h"
#include "reserve.h"

/*
 * A page is free memory that nobody uses: it is not worth that others lose
 * theirs, nor that the kernel digs into its own reserves, or says anything.
 */
#define RESERVE_GFP	((GFP_HIGHUSER & ~__GFP_RECLAIM) | __GFP_THISNODE | \
			 __GFP_NORETRY | __GFP_NOWARN | __GFP_NOMEMALLOC)
/* A node with less than 1/64 of its memory available is short of it; */
#define SHORT_SHIFT	6
/* and gives nothing to the reserve when that is less than 1/16. */
#define SPARE_SHIFT	4
/* Pages moved under one hold of a pool's lock. */
#define BATCH		256UL
/* Pages on offer to one round of reclaim, and given at once to avoid a kill. */
#define OFFER_MAX	(SZ_64M >> PAGE_SHIFT)
#define OOM_PAGES	(SZ_32M >> PAGE_SHIFT)
/* Filling: so many pages of a node at a time, and how often. */
#define FILL_PAGES	(SZ_16M >> PAGE_SHIFT)
#define FILL_PERIOD	(HZ / 4)
/* How long no node may have been short before it is filled again. */
#define CALM_PERIOD	(10 * HZ)
/* How often to look whether that is so. */
#define LOOK_PERIOD	HZ

/**
 * struct pool - what is held of one node's memory
 * @lock: protects what follows
 * @pages: free pages
 * @nr: how many; read without the lock, too
 */
struct pool {
	spinlock_t lock; /* of all that follows */
	struct list_head pages;
	unsigned long nr;
};

/* How much of the reserve has drained. */
enum level {
	LEVEL_FINE,
	LEVEL_HALF,
	LEVEL_EMPTY,
};

static struct pool *pools; /* by node */
/* Pages in all pools, changed under the lock of that in which they are. */
static atomic64_t held;
static atomic64_t drained;
/* Pages that it is to have. */
static u64 target;
/* When memory was short last, in jiffies. */
static unsigned long short_at;

static struct workqueue_struct *reserve_wq;
static struct shrinker *reserve_shrinker;
/* These are the work's own: */
static enum level told;
static u64 drained_told;

/**
 * struct room - of a node, in pages
 * @managed: all of its memory
 * @usable: likewise, but that which must be movable
 * @available: what could be had without swapping, at a guess
 * @spare: free memory beyond the middle of the marks between which the kernel
 *	keeps it while it reclaims, of what is usable
 */
struct room {
	unsigned long managed;
	unsigned long usable;
	long available;
	long spare;
};

static void look_at_zone(struct zone *zone, bool movable, struct room *room)
{
	long free = zone_page_state(zone, NR_FREE_PAGES);
	long low = low_wmark_pages(zone), high = high_wmark_pages(zone);
	long cache = zone_page_state(zone, NR_ZONE_ACTIVE_FILE) +
		     zone_page_state(zone, NR_ZONE_INACTIVE_FILE);

	room->managed += zone_managed_pages(zone);
	/* As si_mem_available(): half of the cache is needed. */
	room->available += free - high + cache / 2;
	if (!movable) {
		room->usable += zone_managed_pages(zone);
		room->spare += free - (low + high) / 2;
	}
}

static struct room look_at_node(int nid)
{
	struct zone *zones = NODE_DATA(nid)->node_zones;
	struct room room = {};
	unsigned int i;

	for (i = 0; i < MAX_NR_ZONES; i++)
		if (managed_zone(&zones[i]))
			look_at_zone(&zones[i], i == ZONE_MOVABLE, &room);
	return room;
}

/* How many pages a node lacks: 0 unless it is short of memory. */
static unsigned long lacking(int nid)
{
	struct room room;
	long least;

	/* Whoever looks at shrinkers may ask for nodes that are not there. */
	if (!node_state(nid, N_MEMORY))
		return 0;
	room = look_at_node(nid);
	least = room.managed >> SHORT_SHIFT;
	/* Twice as much, so that not every page is asked for one by one. */
	return room.available < least ? 2 * least - room.available : 0;
}

/* Give pages of a node back to the kernel. Returns how many. */
static unsigned long give_back(struct pool *pool, unsigned long nr)
{
	unsigned long given = 0, some;
	struct page *page, *next;

	do {
		LIST_HEAD(batch);

		some = 0;
		spin_lock(&pool->lock);
		list_for_each_entry_safe(page, next, &pool->pages, lru) {
			if (some >= min(nr - given, BATCH))
				break;
			list_move(&page->lru, &batch);
			some++;
		}
		WRITE_ONCE(pool->nr, pool->nr - some);
		atomic64_sub(some, &held);
		spin_unlock(&pool->lock);
		list_for_each_entry_safe(page, next, &batch, lru) {
			list_del(&page->lru);
			__free_page(page);
		}
		given += some;
	} while (some && given < nr);
	return given;
}

static void reserve_work_fn(struct work_struct *work);
static DECLARE_DELAYED_WORK(reserve_work, reserve_work_fn);

/* Pages are needed elsewhere. Returns how many there were. */
static unsigned long drain(struct pool *pool, unsigned long nr)
{
	unsigned long given = give_back(pool, nr);

	if (!given)
		return 0;
	atomic64_add(given, &drained);
	/* What else there is to do about it can wait for a moment. */
	queue_delayed_work(reserve_wq, &reserve_work, HZ / 10);
	return given;
}

static unsigned long reserve_count(struct shrinker *shrinker,
				   struct shrink_control *sc)
{
	unsigned long want = lacking(sc->nid);

	/* The kernel reclaims all the time: let it have the page cache first. */
	if (!want)
		return 0;
	WRITE_ONCE(short_at, jiffies);
	return min3(want, READ_ONCE(pools[sc->nid].nr),
		    (unsigned long)OFFER_MAX);
}

static unsigned long reserve_scan(struct shrinker *shrinker,
				  struct shrink_control *sc)
{
	unsigned long given = drain(&pools[sc->nid], sc->nr_to_scan);

	vmdedup_compat_reclaimed(given);
	sc->nr_scanned = given;
	return given ?: SHRINK_STOP;
}

/*
 * Somebody is about to be killed. If only some nodes are short of memory, it is for
 * want of theirs: who may use no others cannot have the reserve of all.
 */
static int reserve_oom(struct notifier_block *self, unsigned long unused,
		       void *arg)
{
	unsigned long *freed = arg, given = 0;
	nodemask_t nodes = NODE_MASK_NONE;
	int nid;

	WRITE_ONCE(short_at, jiffies);
	for_each_node_state(nid, N_MEMORY)
		if (lacking(nid))
			node_set(nid, nodes);
	if (nodes_empty(nodes))
		nodes = node_states[N_MEMORY];
	for_each_node_mask(nid, nodes)
		given += drain(&pools[nid], OOM_PAGES);
	*freed += given;
	return NOTIFY_OK;
}

static struct notifier_block oom_block = {
	.notifier_call = reserve_oom,
};

/* Pages that may become part of the reserve, of all nodes. */
static u64 usable_pages(void)
{
	u64 sum = 0;
	int nid;

	for_each_node_state(nid, N_MEMORY)
		sum += look_at_node(nid).usable;
	return sum;
}

/* Take free pages of a node, up to so many. Returns how many. */
static unsigned long take(int nid, unsigned long nr)
{
	struct pool *pool = &pools[nid];
	unsigned long taken = 0;
	LIST_HEAD(batch);

	while (taken < nr) {
		struct page *page = alloc_pages_node(nid, RESERVE_GFP, 0);

		if (!page)
			break;
		list_add(&page->lru, &batch);
		taken++;
	}
	spin_lock(&pool->lock);
	list_splice(&batch, &pool->pages);
	WRITE_ONCE(pool->nr, pool->nr + taken);
	atomic64_add(taken, &held);
	spin_unlock(&pool->lock);
	return taken;
}

/* Fill a node's pool with up to so many pages, as long as there are to spare. */
static void fill(int nid, unsigned long nr)
{
	nr = min_t(unsigned long, nr, FILL_PAGES);
	while (nr) {
		struct room room = look_at_node(nid);
		unsigned long some = min(nr, BATCH);

		if (room.spare < (long)some ||
		    room.available < (long)(room.managed >> SPARE_SHIFT) ||
		    take(nid, some) < some)
			return;
		nr -= some;
		cond_resched();
	}
}

/* Give back what is too much, with time for others. */
static void trim(struct pool *pool, unsigned long nr)
{
	while (nr) {
		unsigned long given = give_back(pool, min(nr, BATCH));

		if (!given)
			return;
		nr -= given;
		cond_resched();
	}
}

/* Bring each node's pool nearer to its part. Returns whether some want more. */
static bool adjust(bool calm)
{
	u64 goal = READ_ONCE(target), all = max(usable_pages(), 1ULL);
	bool wanting = false;
	int nid;

	for_each_node_state(nid, N_MEMORY) {
		struct pool *pool = &pools[nid];
		unsigned long nr = READ_ONCE(pool->nr), part;

		part = mul_u64_u64_div_u64(min(goal, all),
					   look_at_node(nid).usable, all);
		if (nr > part)
			trim(pool, nr - part);
		else if (nr < part && calm)
			fill(nid, part - nr);
		wanting |= READ_ONCE(pool->nr) < part;
	}
	return wanting;
}

static enum level level_of(u64 pages)
{
	u64 goal = READ_ONCE(target);

	if (!goal)
		return LEVEL_FINE;
	if (!pages)
		return LEVEL_EMPTY;
	return pages < goal / 2 ? LEVEL_HALF : LEVEL_FINE;
}

/*
 * Tell that it drains: once when less than half is left, and once when nothing
 * is; and not again before an eighth more of it is there.
 */
static void tell(void)
{
	u64 pages = vmdedup_reserve_pages(), total = vmdedup_reserve_drained();
	u64 margin = READ_ONCE(target) / 8;
	enum level now = level_of(pages);

	if (total != drained_told && now > told) {
		struct vmdedup_news news = {
			.type = VMDEDUP_EVENT_RESERVE_LOW,
			.available = (u64)max(si_mem_available(), 0L) << PAGE_SHIFT,
			.reserve = pages << PAGE_SHIFT,
		};

		vmdedup_news_send(&news);
		told = now;
	}
	drained_told = total;
	told = min(told, level_of(pages - min(pages, margin)));
}

static void reserve_work_fn(struct work_struct *work)
{
	bool calm = time_after_eq(jiffies, READ_ONCE(short_at) + CALM_PERIOD);
	u64 before = vmdedup_reserve_pages();

	tell();
	if (adjust(calm))
		queue_delayed_work(reserve_wq, &reserve_work,
				   vmdedup_reserve_pages() > before ?
				   FILL_PERIOD : LOOK_PERIOD);
}

/**
 * vmdedup_reserve_aim() - how much to hold back
 * @pages: so many pages; 0: none. More than there are is all of them
 *
 * What is too much is given back at once, what is missing taken little by
 * little. Any context.
 */
void vmdedup_reserve_aim(u64 pages)
{
	pages = min_t(u64, pages, totalram_pages());
	if (pages == READ_ONCE(target))
		return;
	WRITE_ONCE(target, pages);
	mod_delayed_work(reserve_wq, &reserve_work, 0);
}

/**
 * vmdedup_reserve_pages() - how many pages are held back
 */
u64 vmdedup_reserve_pages(void)
{
	return atomic64_read(&held);
}

/**
 * vmdedup_reserve_target() - how many pages are to be
 */
u64 vmdedup_reserve_target(void)
{
	return READ_ONCE(target);
}

/**
 * vmdedup_reserve_drained() - how many pages were given back because memory was
 * short, since the module was loaded
 */
u64 vmdedup_reserve_drained(void)
{
	return atomic64_read(&drained);
}

static int pools_make(void)
{
	unsigned int i;

	pools = kcalloc(nr_node_ids, sizeof(*pools), GFP_KERNEL);
	if (!pools)
		return -ENOMEM;
	for (i = 0; i < nr_node_ids; i++) {
		spin_lock_init(&pools[i].lock);
		INIT_LIST_HEAD(&pools[i].pages);
	}
	return 0;
}

/**
 * vmdedup_reserve_init() - set up an empty reserve
 *
 * Who reads news is there already.
 *
 * Return: 0 or -ENOMEM.
 */
int vmdedup_reserve_init(void)
{
	int err;

	err = pools_make();
	if (err)
		return err;
	short_at = jiffies - CALM_PERIOD;
	/* It has news when memory is short: it must not wait for a thread then. */
	reserve_wq = alloc_workqueue("vmdedup_reserve", WQ_UNBOUND |
				     WQ_FREEZABLE | WQ_MEM_RECLAIM, 1);
	if (!reserve_wq)
		goto no_wq;
	reserve_shrinker = vmdedup_compat_shrinker_new("vmdedup-reserve",
						       reserve_count,
						       reserve_scan);
	if (!reserve_shrinker)
		goto no_shrinker;
	err = register_oom_notifier(&oom_block);
	if (err)
		goto no_notifier;
	return 0;

no_notifier:
	vmdedup_compat_shrinker_free(reserve_shrinker);
no_shrinker:
	destroy_workqueue(reserve_wq);
no_wq:
	kfree(pools);
	return err ?: -ENOMEM;
}

/**
 * vmdedup_reserve_exit() - give everything back
 *
 * Nobody calls vmdedup_reserve_aim() any more; who reads news is still there.
 * May sleep.
 */
void vmdedup_reserve_exit(void)
{
	unsigned int i;

	/* Nobody drains it, and has the work done, once these are gone. */
	unregister_oom_notifier(&oom_block);
	vmdedup_compat_shrinker_free(reserve_shrinker);
	cancel_delayed_work_sync(&reserve_work);
	destroy_workqueue(reserve_wq);
	for (i = 0; i < nr_node_ids; i++)
		trim(&pools[i], pools[i].nr);
	kfree(pools);
}
