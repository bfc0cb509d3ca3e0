// SPDX-License-Identifier: GPL-2.0
#include "shim.h"

#include <linux/rbtree_augmented.h>

#include "model.h"

unsigned int model_shard(const struct vmdedup_key *key)
{
	return key->sum / (1ULL << 58);
}

static int model_cmp(const struct vmdedup_key *a, const struct vmdedup_key *b)
{
	if (model_shard(a) != model_shard(b))
		return model_shard(a) < model_shard(b) ? -1 : 1;
	if (a->domain != b->domain)
		return a->domain < b->domain ? -1 : 1;
	if (a->sum != b->sum)
		return a->sum < b->sum ? -1 : 1;
	return 0;
}

/* The first entry not less than @key. */
static unsigned int model_at(const struct model *model,
			     const struct vmdedup_key *key)
{
	unsigned int low = 0, high = model->nr;

	while (low < high) {
		unsigned int mid = (low + high) / 2;

		if (model_cmp(&model->node[mid]->key, key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct vmdedup_node *model_find(const struct model *model,
				const struct vmdedup_key *key)
{
	unsigned int at = model_at(model, key);

	if (at < model->nr && !model_cmp(&model->node[at]->key, key))
		return model->node[at];
	return NULL;
}

bool model_insert(struct model *model, struct vmdedup_node *node)
{
	unsigned int at = model_at(model, &node->key);

	if (at < model->nr && !model_cmp(&model->node[at]->key, &node->key))
		return false;
	if (model->nr == model->room) {
		model->room = model->room * 2 + 64;
		model->node = realloc(model->node,
				      model->room * sizeof(*model->node));
		shim_assert(model->node);
	}
	memmove(model->node + at + 1, model->node + at,
		(model->nr - at) * sizeof(*model->node));
	model->node[at] = node;
	model->nr++;
	return true;
}

void model_erase(struct model *model, const struct vmdedup_key *key)
{
	unsigned int at = model_at(model, key);

	shim_assert(at < model->nr && !model_cmp(&model->node[at]->key, key));
	model->nr--;
	memmove(model->node + at, model->node + at + 1,
		(model->nr - at) * sizeof(*model->node));
}

void model_free(struct model *model)
{
	free(model->node);
	*model = (struct model){};
}

/* Checks a subtree against model entries from @at on; returns its black height. */
static unsigned int check_rb(struct rb_node *rb, struct rb_node *parent,
			     const struct model *model, unsigned int *at)
{
	unsigned int left, right;

	if (!rb)
		return 1;
	shim_assert(rb_parent(rb) == parent);
	if (rb_is_red(rb))
		shim_assert(parent && rb_is_black(parent));
	left = check_rb(rb->rb_left, rb, model, at);
	shim_assert(*at < model->nr);
	shim_assert(&model->node[*at]->rb == rb);
	++*at;
	right = check_rb(rb->rb_right, rb, model, at);
	shim_assert(left == right);
	return left + rb_is_black(rb);
}

void model_check_tree(struct vmdedup_tree *tree, const struct model *model)
{
	unsigned int i, j, from, at = 0;

	shim_assert(vmdedup_tree_count(tree) == model->nr);
	for (i = 0; i < VMDEDUP_SHARDS; i++) {
		from = at;
		check_rb(tree->shard[i].root.rb_node, NULL, model, &at);
		shim_assert(tree->shard[i].nr == at - from);
		for (j = from; j < at; j++)
			shim_assert(model_shard(&model->node[j]->key) == i);
	}
	shim_assert(at == model->nr);
}

static bool same_job_place(const struct vmdedup_job *a,
			   const struct vmdedup_job *b)
{
	return a->place.region == b->place.region &&
	       a->place.vpn == b->place.vpn;
}

static bool same_job(const struct vmdedup_job *a, const struct vmdedup_job *b)
{
	return same_job_place(a, b) && a->frame == b->frame;
}

static unsigned int count_job(const struct vmdedup_job *jobs, unsigned int nr,
			      const struct vmdedup_job *job)
{
	unsigned int i, n = 0;

	for (i = 0; i < nr; i++)
		n += same_job(&jobs[i], job);
	return n;
}

static bool sorted_before(const struct vmdedup_job *a,
			  const struct vmdedup_job *b)
{
	return a->place.region < b->place.region ||
	       (a->place.region == b->place.region &&
		a->place.vpn <= b->place.vpn);
}

/* Page by page: would @job be in one run, table or region with @first? */
static bool one_table(const struct vmdedup_job *first,
		      const struct vmdedup_job *job)
{
	return job->place.region == first->place.region &&
	       job->place.vpn >> 9 == first->place.vpn >> 9;
}

static void check_cuts(const struct vmdedup_job *jobs, unsigned int nr,
		       unsigned int max)
{
	unsigned int i = 0, run, table, region;

	while (i < nr) {
		const struct vmdedup_job *job = jobs + i;
		unsigned int left = nr - i;

		for (region = 1; region < left; region++)
			if (job[region].place.region != job->place.region)
				break;
		for (table = 1; table < left; table++)
			if (!one_table(job, &job[table]))
				break;
		for (run = 1; run < table && run < max; run++)
			if (job[run].place.vpn - 1 != job[run - 1].place.vpn)
				break;
		shim_assert(vmdedup_jobs_same_region(job, left) == region);
		shim_assert(vmdedup_jobs_same_table(job, left) == table);
		shim_assert(vmdedup_jobs_run(job, left, max) == run);
		shim_assert(run <= table && table <= region);
		shim_assert(run <= VMDEDUP_RUN_MAX);
		i += run;
	}
	shim_assert(!vmdedup_jobs_run(jobs + nr, 0, max));
	shim_assert(!vmdedup_jobs_same_table(jobs + nr, 0));
	shim_assert(!vmdedup_jobs_same_region(jobs + nr, 0));
}

void model_check_jobs(struct vmdedup_job *jobs, unsigned int nr,
		      unsigned int max, struct vmdedup_frame *frames,
		      unsigned int nr_frames)
{
	struct vmdedup_job *before = calloc(nr + 1, sizeof(*before));
	unsigned int i, j, places = 0, kept;

	shim_assert(before);
	if (nr)
		memcpy(before, jobs, nr * sizeof(*jobs));
	for (i = 0; i < nr; i++) {
		for (j = 0; j < i && !same_job_place(&before[i], &before[j]);)
			j++;
		places += j == i;
	}

	vmdedup_jobs_sort(jobs, nr);
	for (i = 0; i < nr; i++) {
		shim_assert(!i || sorted_before(&jobs[i - 1], &jobs[i]));
		shim_assert(count_job(jobs, nr, &jobs[i]) ==
			    count_job(before, nr, &jobs[i]));
	}

	if (nr)
		memcpy(before, jobs, nr * sizeof(*jobs));
	kept = vmdedup_jobs_unique(jobs, nr);
	shim_assert(kept == places);
	/* What is left is the first job of every place. */
	for (i = 0, j = 0; i < nr; i++) {
		if (i && same_job_place(&before[i - 1], &before[i]))
			continue;
		shim_assert(same_job(&jobs[j++], &before[i]));
	}
	shim_assert(j == kept);
	/* The users left are those of the jobs left. */
	for (i = 0; i < nr_frames; i++) {
		int users = 0;

		for (j = 0; j < kept; j++)
			users += jobs[j].frame == &frames[i];
		shim_assert(atomic_read(&frames[i].users) == users);
	}

	check_cuts(jobs, kept, max);
	for (i = 0; i < kept; i++)
		if (jobs[i].frame)
			vmdedup_stable_put(jobs[i].frame);
	for (i = 0; i < nr_frames; i++)
		shim_assert(vmdedup_stable_idle(&frames[i]));
	free(before);
}
