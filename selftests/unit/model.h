/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Simple models of what the core does, and checks against them. Used by the
 * unit tests and by the fuzzer, so a difference ends the program.
 */
#ifndef VMDEDUP_UNIT_MODEL_H
#define VMDEDUP_UNIT_MODEL_H

#include "core/runs.h"
#include "core/tree.h"

/* splitmix64: the same numbers everywhere. */
static inline u64 rng_next(u64 *state)
{
	u64 z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static inline u64 rng_below(u64 *state, u64 limit)
{
	return rng_next(state) % limit;
}

/* A tree: an array sorted as a sweep visits. */
struct model {
	struct vmdedup_node **node;
	unsigned int nr;
	unsigned int room;
};

unsigned int model_shard(const struct vmdedup_key *key);
struct vmdedup_node *model_find(const struct model *model,
				const struct vmdedup_key *key);
/* False if the key is there already. */
bool model_insert(struct model *model, struct vmdedup_node *node);
void model_erase(struct model *model, const struct vmdedup_key *key);
void model_free(struct model *model);

/* The tree has exactly the model's nodes, in order, and is red and black. */
void model_check_tree(struct vmdedup_tree *tree, const struct model *model);

/*
 * Sort jobs, drop the doubles and cut runs, checking each step against brute
 * force. Each frame must have had one user per job, and has none afterwards.
 * @frames are all frames there are.
 */
void model_check_jobs(struct vmdedup_job *jobs, unsigned int nr,
		      unsigned int max, struct vmdedup_frame *frames,
		      unsigned int nr_frames);

#endif /* VMDEDUP_UNIT_MODEL_H */
