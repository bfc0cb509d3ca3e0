// SPDX-License-Identifier: GPL-2.0
/*
 * Guests: processes with virtual machines, and what is registered of them.
 *
 * What is known of a guest is what this module has asked the engine for, and not
 * what the engine has made of it: a region that an operator has unregistered by
 * hand is not registered again as long as its slots stay.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cred.h>
#include <linux/hash.h>
#include <linux/hashtable.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/ratelimit.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "../api/kapi.h"
#include "kvm.h"

/* A search that takes longer goes on in the next poll. */
#define POLL_BUDGET_NS	(20 * NSEC_PER_MSEC)
/*
 * How many polls the slots are taken for unchanged if KVM's generation numbers
 * say so. A virtual machine can be replaced by one with the same number; and
 * what was in the way of a range can have gone.
 */
#define TRUST_POLLS	10
/* What is not covered by slots any more stays for so long, in milliseconds. */
#define GRACE_MS	500
/*
 * How often, in a search, memory is waited for that is charged to a guest: that can
 * take seconds where a cgroup is at its limit, and all other guests wait.
 */
#define WAITS		4
/* What was left alone because of a limit is told once in so long. */
#define TELL_PERIOD	(60 * HZ)

/**
 * struct guest - a process with virtual machines
 * @node: in the table of all
 * @mm: its address space, kept by mmgrab(), so that no other one can be taken
 *	for it
 * @owner: of its regions
 * @search: the search that it was last seen in
 * @trusted: polls since its slots were read
 * @signature: of its virtual machines and their generations, then
 * @have: what was asked for, in order of addresses
 * @nr: how many of these
 * @vms: its virtual machines
 * @refused: ranges that the engine did not take
 * @left: slots and virtual machines beyond the limits of a process
 */
struct guest {
	struct hlist_node node;
	struct mm_struct *mm;
	struct vmdedup_owner owner;
	unsigned int search;
	unsigned int trusted;
	u64 signature;
	struct vmdedup_range *have;
	unsigned int nr;
	unsigned int vms;
	unsigned int refused;
	unsigned int left;
};

static DEFINE_HASHTABLE(guests, 8);
static unsigned int nr_guests;
/* The number of the last search, and how far it has come. */
static unsigned int search;
static struct vmdedup_kvm_walk walk;
/*
 * How often memory may be waited for until it ends; not for processes with a number up
 * to this, for which it was in the search before; and for which it was last.
 */
static unsigned int waits;
static pid_t waited_before, waited_last;
/* Virtual machines of processes beyond the limits: in it so far, and in the last. */
static u64 turned_away, turned_away_last;
/* Too large for the stack, and needed in each poll. */
static struct {
	struct vmdedup_kvm_vms vms;
	struct vmdedup_range want[VMDEDUP_KVM_MAX_RANGES];
	struct vmdedup_range next[VMDEDUP_KVM_MAX_RANGES];
} *room;

static struct guest *guest_find(struct mm_struct *mm)
{
	struct guest *guest;

	hash_for_each_possible(guests, guest, node, (unsigned long)mm)
		if (guest->mm == mm)
			return guest;
	return NULL;
}

/* @err: -EDQUOT, or -ENOSPC. */
static void tell_limit(kuid_t payer, const char *what, int err)
{
	static struct ratelimit_state tell =
		RATELIMIT_STATE_INIT_FLAGS(tell, TELL_PERIOD, 1,
					   RATELIMIT_MSG_ON_RELEASE);

	if (__ratelimit(&tell))
		pr_warn("%s of user %u left alone: %s as many as may be\n", what,
			from_kuid_munged(&init_user_ns, payer),
			err == -EDQUOT ? "that user has" : "all together have");
}

/* May once more be waited for memory? In turn: some may never have any. */
static bool may_wait(void)
{
	if (!waits || walk.nr <= waited_before)
		return false;
	waits--;
	waited_last = walk.nr;
	return true;
}

/* Memory that is charged to a process; kvfree(). */
static void *alloc_for(struct mm_struct *mm, size_t bytes)
{
	struct vmdedup_charge charge;
	void *memory;

	vmdedup_charge_begin(&charge, mm);
	memory = kvzalloc(bytes, vmdedup_charge_gfp(false));
	if (!memory && may_wait())
		memory = kvzalloc(bytes, vmdedup_charge_gfp(true));
	vmdedup_charge_end(&charge);
	return memory;
}

/* As the engine does; and a limit of our own. */
static int admit(struct guest *guest, const struct vmdedup_kvm_process *process)
{
	if (nr_guests >= VMDEDUP_KVM_MAX_GUESTS)
		return -ENOSPC;
	return vmdedup_kapi_owner_init(&guest->owner, process->payer,
				       process->limited ?
				       VMDEDUP_KVM_MAX_GUESTS_USER :
				       VMDEDUP_NO_LIMIT);
}

/* Returns NULL if it is to be tried again in the next search. */
static struct guest *guest_make(const struct vmdedup_kvm_process *process)
{
	struct guest *guest = alloc_for(process->mm, sizeof(*guest));
	int err;

	if (!guest)
		return NULL;
	err = admit(guest, process);
	if (err) {
		kvfree(guest);
		if (err != -ENOMEM)
			tell_limit(process->payer, "guests", err);
		return NULL;
	}
	mmgrab(process->mm);
	guest->mm = process->mm;
	guest->trusted = TRUST_POLLS;
	hash_add(guests, &guest->node, (unsigned long)guest->mm);
	nr_guests++;
	return guest;
}

static void guest_drop(struct guest *guest)
{
	vmdedup_kapi_owner_release(&guest->owner);
	hash_del(&guest->node);
	nr_guests--;
	mmdrop(guest->mm);
	kvfree(guest->have);
	kvfree(guest);
}

/* Drop those that the search under way has not seen, or all. */
static void drop_guests(bool all)
{
	struct hlist_node *next;
	struct guest *guest;
	int bucket;

	hash_for_each_safe(guests, bucket, next, guest, node) {
		if (all || guest->search != search)
			guest_drop(guest);
		cond_resched();
	}
}

static u64 signature_of(const struct vmdedup_kvm_vms *vms)
{
	u64 sum = vms->nr;
	unsigned int i;

	for (i = 0; i < vms->nr; i++) {
		u64 kvm = (unsigned long)vms->file[i]->private_data;

		sum = (sum ^ kvm) * GOLDEN_RATIO_64;
		sum = (sum ^ vmdedup_kvm_generation(vms->file[i])) *
		      GOLDEN_RATIO_64;
	}
	return sum;
}

/* Slots of all virtual machines into room->want. */
static unsigned int read_all(struct guest *guest,
			     const struct vmdedup_kvm_vms *vms)
{
	unsigned int i, left, nr = 0;

	guest->left = vms->left;
	for (i = 0; i < vms->nr; i++) {
		nr += vmdedup_kvm_read_slots(vms->file[i], room->want + nr,
					     ARRAY_SIZE(room->want) - nr, &left);
		guest->left += left;
		cond_resched();
	}
	return nr;
}

static int register_range(struct guest *guest,
			  const struct vmdedup_kvm_process *process,
			  struct vmdedup_range *range)
{
	struct vmdedup_register_args args = {
		.mm = process->mm,
		.pid = process->pid,
		.uid = process->uid,
		.start = range->start,
		.end = range->end,
		.gpa = range->gpa,
		.slot = range->slot,
		.owner = &guest->owner,
	};
	int err = vmdedup_kapi_register(&args);

	if (err == -ENOMEM && may_wait()) {
		args.wait = true;
		err = vmdedup_kapi_register(&args);
	}
	if (!err)
		range->id = args.region_id;
	else if (err == -EDQUOT || err == -ENOSPC)
		tell_limit(args.payer, "memory", err);
	return err;
}

/* Would the next range fail alike? A guest has a thousand of them. */
static bool is_full(int err)
{
	return err == -EDQUOT || err == -ENOSPC || err == -ENOMEM;
}

/* Both are in order, and what stays is in both. */
static void drop_gone(struct guest *guest, const struct vmdedup_range *next,
		      unsigned int nr)
{
	unsigned int i, k = 0;

	for (i = 0; i < guest->nr; i++) {
		const struct vmdedup_range *have = &guest->have[i];

		while (k < nr && next[k].start < have->start)
			k++;
		if (k < nr && next[k].id == have->id)
			continue;
		vmdedup_kapi_drop(&guest->owner, have->id);
		cond_resched();
	}
}

/* Bring the engine from what there is to room->next. */
static void carry_out(struct guest *guest,
		      const struct vmdedup_kvm_process *process,
		      struct vmdedup_range *have, unsigned int nr)
{
	unsigned int i;
	int err = 0;

	drop_gone(guest, room->next, nr);
	kvfree(guest->have);
	guest->have = have;
	guest->nr = 0;
	guest->refused = 0;
	for (i = 0; i < nr; i++) {
		struct vmdedup_range *range = &room->next[i];

		if (range->id)
			vmdedup_kapi_set_slot(range->id, range->slot);
		else if (!is_full(err))
			err = register_range(guest, process, range);
		if (range->id)
			have[guest->nr++] = *range;
		else
			guest->refused++;
		/* To be looked at again when its time is up. */
		if (range->gone)
			guest->trusted = TRUST_POLLS;
		cond_resched();
	}
}

static void update(struct guest *guest,
		   const struct vmdedup_kvm_process *process,
		   unsigned int nwant)
{
	u64 now = ktime_get_ns() / NSEC_PER_MSEC + 1;
	struct vmdedup_range *have;
	unsigned int nr, left;

	nr = vmdedup_ranges_plan(room->want, nwant, guest->have, guest->nr,
				 room->next, ARRAY_SIZE(room->next), now,
				 GRACE_MS, &left);
	guest->left += left;
	/* Nothing to undo if there is no memory now: once more in a second. */
	have = alloc_for(guest->mm, max(nr, 1U) * sizeof(*have));
	if (have) {
		carry_out(guest, process, have, nr);
	} else {
		guest->trusted = TRUST_POLLS;
		guest->refused = nr - min(nr, guest->nr);
	}
}

/* A process with virtual machines: make its regions what they have to be. */
static void look_after(const struct vmdedup_kvm_process *process,
		       struct vmdedup_kvm_vms *vms)
{
	struct guest *guest = guest_find(process->mm);
	unsigned int nwant;
	u64 signature;

	if (!guest)
		guest = guest_make(process);
	if (!guest) {
		turned_away += vms->nr;
		return;
	}
	guest->search = search;
	guest->vms = vms->nr;
	signature = signature_of(vms);
	if (signature == guest->signature && guest->trusted < TRUST_POLLS) {
		guest->trusted++;
		return;
	}
	nwant = read_all(guest, vms);
	/* Not to be kept while memory is worked on. */
	vmdedup_kvm_put_vms(vms);
	guest->signature = signature;
	guest->trusted = 0;
	update(guest, process, nwant);
}

static void look_into(const struct vmdedup_kvm_process *process)
{
	struct guest *guest = guest_find(process->mm);

	/* Two processes can share an address space. */
	if (guest && guest->search == search)
		return;
	vmdedup_kvm_get_vms(process, &room->vms);
	if (room->vms.nr && !vmdedup_kapi_excluded(process->pid))
		look_after(process, &room->vms);
	vmdedup_kvm_put_vms(&room->vms);
}

static void count_all(void)
{
	u64 vms = 0, ranges = 0, refused = 0, left = turned_away_last;
	struct guest *guest;
	int bucket;

	hash_for_each(guests, bucket, guest, node) {
		vms += guest->vms;
		ranges += guest->nr;
		refused += guest->refused;
		left += guest->left;
	}
	WRITE_ONCE(vmdedup_kvm_stats.guests, nr_guests);
	WRITE_ONCE(vmdedup_kvm_stats.vms, vms);
	WRITE_ONCE(vmdedup_kvm_stats.ranges, ranges);
	WRITE_ONCE(vmdedup_kvm_stats.refused, refused);
	WRITE_ONCE(vmdedup_kvm_stats.left_out, left);
}

/* Only the thread that polls does so; others read. */
static void stat_add(u64 *stat, u64 n)
{
	WRITE_ONCE(*stat, *stat + n);
}

/* Go on with the search under way until it or the time is at its end. */
static bool go_on(u64 deadline)
{
	struct vmdedup_kvm_process process;

	if (!walk.nr) {
		search++;
		/* Where none were left, others have theirs now. */
		waited_before = waits ? 0 : waited_last;
		waits = WAITS;
		turned_away = 0;
		walk.nr = 1;
		walk.tasks = 0;
	}
	while (vmdedup_kvm_next_process(&walk, &process)) {
		if (process.task) {
			look_into(&process);
			vmdedup_kvm_put_process(&process);
		}
		cond_resched();
		if (ktime_get_ns() > deadline)
			return false;
	}
	walk.nr = 0;
	WRITE_ONCE(vmdedup_kvm_stats.tasks, walk.tasks);
	drop_guests(false);
	turned_away_last = turned_away;
	stat_add(&vmdedup_kvm_stats.searches, 1);
	return true;
}

/**
 * vmdedup_kvm_poll() - look through all processes
 *
 * When its time is up it finishes the process it is at (VMDEDUP_KVM_MAX_RANGES
 * at the most to be registered); the others are for the next call. May sleep.
 *
 * Return: whether all were looked through.
 */
bool vmdedup_kvm_poll(void)
{
	u64 began = ktime_get_ns(), took;
	bool complete = true;

	if (vmdedup_kapi_discover()) {
		complete = go_on(began + POLL_BUDGET_NS);
	} else {
		drop_guests(true);
		turned_away_last = 0;
		walk.nr = 0;
	}
	count_all();
	took = ktime_get_ns() - began;
	stat_add(&vmdedup_kvm_stats.polls, 1);
	stat_add(&vmdedup_kvm_stats.poll_ns, took);
	WRITE_ONCE(vmdedup_kvm_stats.poll_last_ns, took);
	if (took > vmdedup_kvm_stats.poll_max_ns)
		WRITE_ONCE(vmdedup_kvm_stats.poll_max_ns, took);
	return complete;
}

/**
 * vmdedup_kvm_guests_init() - make room
 * Return: 0 or -ENOMEM.
 */
int vmdedup_kvm_guests_init(void)
{
	room = kvzalloc(sizeof(*room), GFP_KERNEL);
	return room ? 0 : -ENOMEM;
}

/**
 * vmdedup_kvm_guests_exit() - drop all regions
 *
 * Nobody polls any more. May sleep.
 */
void vmdedup_kvm_guests_exit(void)
{
	drop_guests(true);
	kvfree(room);
}
