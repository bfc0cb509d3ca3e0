// SPDX-License-Identifier: GPL-2.0
#include "tree.h"

/* Nodes visited, and erased at the most, per hold of a shard's lock. */
#define SWEEP_BATCH	64

static int key_cmp(const struct vmdedup_key *a, const struct vmdedup_key *b)
{
	if (a->domain != b->domain)
		return a->domain < b->domain ? -1 : 1;
	if (a->sum != b->sum)
		return a->sum < b->sum ? -1 : 1;
	return 0;
}

static struct vmdedup_node *to_node(struct rb_node *rb)
{
	return rb_entry(rb, struct vmdedup_node, rb);
}

/**
 * vmdedup_tree_init() - make an empty tree
 * @tree: the tree
 */
void vmdedup_tree_init(struct vmdedup_tree *tree)
{
	unsigned int i;

	for (i = 0; i < VMDEDUP_SHARDS; i++) {
		spin_lock_init(&tree->shard[i].lock);
		tree->shard[i].root = RB_ROOT;
		tree->shard[i].nr = 0;
	}
}

/**
 * vmdedup_tree_shard() - the shard that a key belongs to
 * @tree: the tree
 * @key: any key
 */
struct vmdedup_shard *vmdedup_tree_shard(struct vmdedup_tree *tree,
					 const struct vmdedup_key *key)
{
	return &tree->shard[key->sum >> (64 - VMDEDUP_SHARD_BITS)];
}

/**
 * vmdedup_shard_find() - look a key up
 * @shard: the key's shard, locked
 * @key: what to look for
 *
 * Return: the node, good as long as the lock is held, or NULL.
 */
struct vmdedup_node *vmdedup_shard_find(struct vmdedup_shard *shard,
					const struct vmdedup_key *key)
{
	struct rb_node *rb = shard->root.rb_node;

	lockdep_assert_held(&shard->lock);

	while (rb) {
		int cmp = key_cmp(key, &to_node(rb)->key);

		if (!cmp)
			return to_node(rb);
		rb = cmp < 0 ? rb->rb_left : rb->rb_right;
	}
	return NULL;
}

/**
 * vmdedup_shard_insert() - add a node unless its key is there
 * @shard: the key's shard, locked
 * @node: a node with its key set
 *
 * Return: NULL, or the node that is there already; then nothing was done.
 */
struct vmdedup_node *vmdedup_shard_insert(struct vmdedup_shard *shard,
					  struct vmdedup_node *node)
{
	struct rb_node **link = &shard->root.rb_node;
	struct rb_node *parent = NULL;

	lockdep_assert_held(&shard->lock);

	while (*link) {
		int cmp;

		parent = *link;
		cmp = key_cmp(&node->key, &to_node(parent)->key);
		if (!cmp)
			return to_node(parent);
		link = cmp < 0 ? &parent->rb_left : &parent->rb_right;
	}
	rb_link_node(&node->rb, parent, link);
	rb_insert_color(&node->rb, &shard->root);
	WRITE_ONCE(shard->nr, shard->nr + 1);
	return NULL;
}

/**
 * vmdedup_shard_erase() - take a node out
 * @shard: its shard, locked
 * @node: a node of that shard
 */
void vmdedup_shard_erase(struct vmdedup_shard *shard, struct vmdedup_node *node)
{
	lockdep_assert_held(&shard->lock);
	rb_erase(&node->rb, &shard->root);
	WRITE_ONCE(shard->nr, shard->nr - 1);
}

/**
 * vmdedup_shard_after() - find what follows a key
 * @shard: a shard, locked
 * @key: a key, which need not be there; or NULL for the very first
 *
 * Return: the node with the next greater key, good as long as the lock is held;
 * or NULL.
 */
struct vmdedup_node *vmdedup_shard_after(struct vmdedup_shard *shard,
					 const struct vmdedup_key *key)
{
	struct rb_node *rb = shard->root.rb_node;
	struct vmdedup_node *best = NULL;

	lockdep_assert_held(&shard->lock);

	while (rb) {
		if (!key || key_cmp(key, &to_node(rb)->key) < 0) {
			best = to_node(rb);
			rb = rb->rb_left;
		} else {
			rb = rb->rb_right;
		}
	}
	return best;
}

static void shard_sweep(struct vmdedup_shard *shard,
			const struct vmdedup_sweep_ops *ops, void *arg)
{
	struct vmdedup_node *erased[SWEEP_BATCH];
	struct vmdedup_key last;
	const struct vmdedup_key *from = NULL;
	struct vmdedup_node *node, *next;
	unsigned int seen, nr, i;

	do {
		seen = 0;
		nr = 0;
		spin_lock(&shard->lock);
		/* Others may have changed the tree: take up by key. */
		for (node = vmdedup_shard_after(shard, from);
		     node && seen < SWEEP_BATCH; node = next) {
			struct rb_node *rb = rb_next(&node->rb);

			next = rb ? to_node(rb) : NULL;
			last = node->key;
			from = &last;
			seen++;
			if (ops->visit(node, arg) == VMDEDUP_SWEEP_ERASE) {
				vmdedup_shard_erase(shard, node);
				erased[nr++] = node;
			}
		}
		spin_unlock(&shard->lock);
		for (i = 0; i < nr; i++)
			ops->release(erased[i], arg);
		cond_resched();
	} while (seen == SWEEP_BATCH);
}

/**
 * vmdedup_tree_sweep() - visit every node, erasing some
 * @tree: the tree
 * @ops: what to do with each
 * @arg: handed to @ops
 *
 * Nodes that are there from beginning to end are visited once; those that
 * come or go meanwhile, perhaps. Lock holds are bounded. May sleep.
 */
void vmdedup_tree_sweep(struct vmdedup_tree *tree,
			const struct vmdedup_sweep_ops *ops, void *arg)
{
	unsigned int i;

	for (i = 0; i < VMDEDUP_SHARDS; i++)
		shard_sweep(&tree->shard[i], ops, arg);
}

/**
 * vmdedup_tree_count() - how many nodes there are
 * @tree: the tree
 *
 * Takes no lock: at rest exact, else about right.
 */
unsigned long vmdedup_tree_count(struct vmdedup_tree *tree)
{
	unsigned long nr = 0;
	unsigned int i;

	for (i = 0; i < VMDEDUP_SHARDS; i++)
		nr += READ_ONCE(tree->shard[i].nr);
	return nr;
}
