// SPDX-License-Identifier: GPL-2.0
#include <linux/mm.h>
#include <linux/random.h>

#include "../mm/cells.h"
#include "../mm/frame.h"
#include "engine.h"
#include "quarantine.h"
#include "sift.h"

/* As long as this part of all memory is available there is plenty. */
#define PLENTY_PART	4
#define EASE		256U

struct vmdedup_engine vmdedup_engine;
/* How much of plenty is available, EASE if all. */
static unsigned int ease = EASE;

struct vmdedup_tunables vmdedup_tunables = {
#define TUNABLE_DEFAULT(name, lo, hi, def) .name = (def),
	VMDEDUP_TUNABLES(TUNABLE_DEFAULT)
#undef TUNABLE_DEFAULT
};

/**
 * vmdedup_engine_init() - set up the trees
 * Return: 0 or -ENOMEM.
 */
int vmdedup_engine_init(void)
{
	int err;

	vmdedup_tree_init(&vmdedup_engine.stable);
	vmdedup_tree_init(&vmdedup_engine.unstable);
	vmdedup_engine.boot_seed = get_random_u64();
	atomic_set(&vmdedup_engine.gen, 0);
	atomic_set(&vmdedup_engine.epoch, 0);
	err = vmdedup_frame_init();
	if (err)
		return err;
	err = vmdedup_cand_cache_init();
	if (err)
		goto no_cands;
	err = vmdedup_cells_init();
	if (err)
		goto no_cells;
	vmdedup_engine_feel_pressure();
	return 0;

no_cells:
	vmdedup_cand_cache_exit();
no_cands:
	vmdedup_frame_exit();
	return err;
}

static enum vmdedup_sweep drop_visit(struct vmdedup_node *node, void *arg)
{
	return VMDEDUP_SWEEP_ERASE;
}

static void drop_release(struct vmdedup_node *node, void *arg)
{
	vmdedup_frame_free(vmdedup_frame_of(node));
}

/**
 * vmdedup_engine_exit() - forget all frames and candidates
 *
 * Frames that are mapped go on being mapped; the core kernel frees them.
 * No worker runs any more. May sleep.
 */
void vmdedup_engine_exit(void)
{
	static const struct vmdedup_sweep_ops ops = {
		.visit = drop_visit,
		.release = drop_release,
	};

	vmdedup_tree_sweep(&vmdedup_engine.stable, &ops, NULL);
	vmdedup_quarantine_exit();
	vmdedup_engine_age(0);
	vmdedup_sift_forget();
	vmdedup_cells_exit();
	vmdedup_cand_cache_exit();
	vmdedup_frame_exit();
}

/**
 * vmdedup_engine_age() - begin a new generation of candidates
 * @keep: how many generations a candidate lives unconfirmed; 0 forgets all
 *
 * May sleep.
 */
void vmdedup_engine_age(u32 keep)
{
	u32 gen = atomic_inc_return(&vmdedup_engine.gen);

	vmdedup_unstable_age(&vmdedup_engine.unstable, gen, keep);
}

/**
 * vmdedup_engine_feel_pressure() - look how much memory is left
 */
void vmdedup_engine_feel_pressure(void)
{
	u64 plenty = totalram_pages() / PLENTY_PART;
	u64 available = max(si_mem_available(), 0L);

	WRITE_ONCE(ease, div64_u64(min(available, plenty) * EASE, max(plenty, 1ULL)));
}

/**
 * vmdedup_engine_split_pages() - when to split a huge page
 *
 * Return: so many of its pages must be merged for that, at least; fewer than
 * huge_split_pages where memory is short, but never one page only for that.
 */
unsigned int vmdedup_engine_split_pages(void)
{
	unsigned int pages = READ_ONCE(vmdedup_tunables.huge_split_pages);

	return max(pages * READ_ONCE(ease) / EASE, min(pages, 2U));
}

/**
 * vmdedup_engine_void_jobs() - begin a new epoch, see vmdedup_engine.epoch
 */
void vmdedup_engine_void_jobs(void)
{
	atomic_inc_return_release(&vmdedup_engine.epoch);
}
