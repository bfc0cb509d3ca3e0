/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sharded red-black trees ordered by (domain, checksum).
 *
 * Both the stable and the unstable tree are one of these. The top bits of the
 * checksum choose the shard, so that workers on different pages seldom meet
 * at a lock. A key is in a tree once at the most.
 */
#ifndef VMDEDUP_CORE_TREE_H
#define VMDEDUP_CORE_TREE_H

#include "gate.h"

#define VMDEDUP_SHARD_BITS	6
#define VMDEDUP_SHARDS		64U	/* 2^VMDEDUP_SHARD_BITS */

struct vmdedup_key {
	u64 domain;
	u64 sum;
};

/**
 * struct vmdedup_node - what can be found by a key
 * @rb: while it is in a tree
 * @list: when it is in none any more: for whoever erased it
 * @key: the key
 */
struct vmdedup_node {
	union {
		struct rb_node rb;
		struct list_head list;
	};
	struct vmdedup_key key;
};

/**
 * struct vmdedup_shard - one tree and its lock
 * @lock: protects all below, and what the owner of the nodes says it does
 * @root: nodes by key
 * @nr: how many
 */
struct vmdedup_shard {
	spinlock_t lock; /* of root, nr and the nodes */
	struct rb_root root;
	unsigned long nr;
};

struct vmdedup_tree {
	struct vmdedup_shard shard[VMDEDUP_SHARDS];
};

/* What a vmdedup_tree_sweep() callback wants done with the node. */
enum vmdedup_sweep {
	VMDEDUP_SWEEP_KEEP,
	VMDEDUP_SWEEP_ERASE,	/* erased; handed to the release callback */
};

struct vmdedup_sweep_ops {
	/* Under the shard's lock; must not sleep. */
	enum vmdedup_sweep (*visit)(struct vmdedup_node *node, void *arg);
	/* Without the lock, once for every node that was erased. */
	void (*release)(struct vmdedup_node *node, void *arg);
};

void vmdedup_tree_init(struct vmdedup_tree *tree);
struct vmdedup_shard *vmdedup_tree_shard(struct vmdedup_tree *tree,
					 const struct vmdedup_key *key);
struct vmdedup_node *vmdedup_shard_find(struct vmdedup_shard *shard,
					const struct vmdedup_key *key);
struct vmdedup_node *vmdedup_shard_after(struct vmdedup_shard *shard,
					 const struct vmdedup_key *key);
struct vmdedup_node *vmdedup_shard_insert(struct vmdedup_shard *shard,
					  struct vmdedup_node *node);
void vmdedup_shard_erase(struct vmdedup_shard *shard, struct vmdedup_node *node);
void vmdedup_tree_sweep(struct vmdedup_tree *tree,
			const struct vmdedup_sweep_ops *ops, void *arg);
unsigned long vmdedup_tree_count(struct vmdedup_tree *tree);

#endif /* VMDEDUP_CORE_TREE_H */
