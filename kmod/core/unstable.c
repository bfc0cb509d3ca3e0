// SPDX-License-Identifier: GPL-2.0
#include "unstable.h"

static struct kmem_cache *cand_cache;

/**
 * vmdedup_cand_cache_init() - set up before any candidate is allocated
 * Return: 0 or -ENOMEM.
 */
int vmdedup_cand_cache_init(void)
{
	cand_cache = kmem_cache_create("vmdedup_cand",
				       sizeof(struct vmdedup_cand), 0, 0, NULL);
	return cand_cache ? 0 : -ENOMEM;
}

/** vmdedup_cand_cache_exit() - undo vmdedup_cand_cache_init() */
void vmdedup_cand_cache_exit(void)
{
	kmem_cache_destroy(cand_cache);
}

/**
 * vmdedup_cand_alloc() - allocate a candidate
 * @gfp: how
 *
 * Return: the candidate, its members not set, or NULL.
 */
struct vmdedup_cand *vmdedup_cand_alloc(gfp_t gfp)
{
	return kmem_cache_alloc(cand_cache, gfp);
}

/**
 * vmdedup_cand_free() - free a candidate that is in no tree
 * @cand: the candidate, or NULL
 */
void vmdedup_cand_free(struct vmdedup_cand *cand)
{
	if (cand)
		kmem_cache_free(cand_cache, cand);
}

static struct vmdedup_cand *cand_of(struct vmdedup_node *node)
{
	return container_of(node, struct vmdedup_cand, node);
}

static bool same_place(const struct vmdedup_place *a,
		       const struct vmdedup_place *b)
{
	return a->region == b->region && a->vpn == b->vpn;
}

/**
 * vmdedup_unstable_note() - a content was seen at a place
 * @unstable: the unstable tree
 * @new: a candidate with key and place set; *@new becomes NULL if it was
 *	added, and stays the caller's if not
 * @gen: generation of the pass that saw it
 * @other: out: with VMDEDUP_FOUND_OTHER, where it was seen before
 *
 * The latest place is the one that is remembered. Does not sleep.
 */
enum vmdedup_found vmdedup_unstable_note(struct vmdedup_tree *unstable,
					 struct vmdedup_cand **new, u32 gen,
					 struct vmdedup_place *other)
{
	struct vmdedup_shard *shard;
	enum vmdedup_found found = VMDEDUP_FOUND_NONE;
	struct vmdedup_cand *cand = *new;
	struct vmdedup_node *old;

	shard = vmdedup_tree_shard(unstable, &cand->node.key);
	cand->gen = gen;
	spin_lock(&shard->lock);
	old = vmdedup_shard_insert(shard, &cand->node);
	if (!old) {
		*new = NULL;
	} else {
		/* One that was seen later than it is said to be now lives on. */
		if ((s32)(gen - cand_of(old)->gen) > 0)
			cand_of(old)->gen = gen;
		found = VMDEDUP_FOUND_SELF;
		if (!same_place(&cand_of(old)->place, &cand->place)) {
			*other = cand_of(old)->place;
			cand_of(old)->place = cand->place;
			found = VMDEDUP_FOUND_OTHER;
		}
	}
	spin_unlock(&shard->lock);
	return found;
}

/**
 * vmdedup_unstable_peek() - was a content seen elsewhere?
 * @unstable: the unstable tree
 * @key: domain and checksum
 * @place: where it is seen now
 *
 * Changes nothing. Does not sleep.
 */
enum vmdedup_found vmdedup_unstable_peek(struct vmdedup_tree *unstable,
					 const struct vmdedup_key *key,
					 const struct vmdedup_place *place)
{
	struct vmdedup_shard *shard = vmdedup_tree_shard(unstable, key);
	enum vmdedup_found found = VMDEDUP_FOUND_NONE;
	struct vmdedup_node *node;

	spin_lock(&shard->lock);
	node = vmdedup_shard_find(shard, key);
	if (node && !same_place(&cand_of(node)->place, place))
		found = VMDEDUP_FOUND_OTHER;
	spin_unlock(&shard->lock);
	return found;
}

/**
 * vmdedup_unstable_forget() - a content has a shared frame now
 * @unstable: the unstable tree
 * @key: domain and checksum
 *
 * Does not sleep.
 */
void vmdedup_unstable_forget(struct vmdedup_tree *unstable,
			     const struct vmdedup_key *key)
{
	struct vmdedup_shard *shard = vmdedup_tree_shard(unstable, key);
	struct vmdedup_node *node;

	spin_lock(&shard->lock);
	node = vmdedup_shard_find(shard, key);
	if (node)
		vmdedup_shard_erase(shard, node);
	spin_unlock(&shard->lock);
	if (node)
		vmdedup_cand_free(cand_of(node));
}

struct age {
	u32 gen;
	u32 keep;
	unsigned long erased;
};

static enum vmdedup_sweep age_visit(struct vmdedup_node *node, void *arg)
{
	struct age *age = arg;

	/* Unsigned difference: generations wrap around. */
	if (age->gen - cand_of(node)->gen < age->keep)
		return VMDEDUP_SWEEP_KEEP;
	return VMDEDUP_SWEEP_ERASE;
}

static void age_release(struct vmdedup_node *node, void *arg)
{
	struct age *age = arg;

	age->erased++;
	vmdedup_cand_free(cand_of(node));
}

/**
 * vmdedup_unstable_age() - forget candidates not seen lately
 * @unstable: the unstable tree
 * @gen: the generation now
 * @keep: how many generations a candidate lives; 0 forgets all
 *
 * May sleep.
 *
 * Return: how many were forgotten.
 */
unsigned long vmdedup_unstable_age(struct vmdedup_tree *unstable, u32 gen,
				   u32 keep)
{
	static const struct vmdedup_sweep_ops ops = {
		.visit = age_visit,
		.release = age_release,
	};
	struct age age = { .gen = gen, .keep = keep };

	vmdedup_tree_sweep(unstable, &ops, &age);
	return age.erased;
}
