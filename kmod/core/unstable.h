/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The unstable tree: candidates, that is pages whose content was seen once.
 *
 * A candidate is a place (region id, page number), not a page: it holds no
 * reference and may be out of date, so whoever finds one looks at the page
 * that is there now. Candidates that no pass has confirmed for a while are
 * aged out by generation.
 */
#ifndef VMDEDUP_CORE_UNSTABLE_H
#define VMDEDUP_CORE_UNSTABLE_H

#include "tree.h"

/**
 * struct vmdedup_place - a page of a region
 * @region: region id
 * @vpn: virtual address >> PAGE_SHIFT in the region's address space
 */
struct vmdedup_place {
	u64 region;
	u64 vpn;
};

/**
 * struct vmdedup_cand - a candidate
 * @node: in the unstable tree
 * @place: where the content was seen
 * @gen: generation in which it was last seen there
 */
struct vmdedup_cand {
	struct vmdedup_node node;
	struct vmdedup_place place;
	u32 gen;
};

enum vmdedup_found {
	VMDEDUP_FOUND_NONE,	/* new */
	VMDEDUP_FOUND_SELF,	/* the same place again */
	VMDEDUP_FOUND_OTHER,	/* another place had that checksum */
};

struct vmdedup_cand *vmdedup_cand_alloc(gfp_t gfp);
void vmdedup_cand_free(struct vmdedup_cand *cand);
int vmdedup_cand_cache_init(void);
void vmdedup_cand_cache_exit(void);

enum vmdedup_found vmdedup_unstable_note(struct vmdedup_tree *unstable,
					 struct vmdedup_cand **new, u32 gen,
					 struct vmdedup_place *other);
enum vmdedup_found vmdedup_unstable_peek(struct vmdedup_tree *unstable,
					 const struct vmdedup_key *key,
					 const struct vmdedup_place *place);
void vmdedup_unstable_forget(struct vmdedup_tree *unstable,
			     const struct vmdedup_key *key);
unsigned long vmdedup_unstable_age(struct vmdedup_tree *unstable, u32 gen,
				   u32 keep);

#endif /* VMDEDUP_CORE_UNSTABLE_H */
