/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The stable tree: the shared frames, by (domain, checksum).
 *
 * Life of a frame. Who makes one fills its page, and only then adds it; from
 * there on the page never changes. @users counts those who are about to map
 * it, and is raised under the shard's lock only; so a sweep that finds, under
 * that lock, no users and no mappings knows that nobody can find a way to the
 * frame any more, and may erase it. The frame itself is freed by whoever
 * erased it; mappings that a core-kernel fork makes need mappings to begin
 * with and do not count.
 *
 * A frame whose memory is found to be bad is erased whether it is used or not:
 * so nobody finds it any more, and whoever has it looks at @bad before it is
 * mapped once more. Its users go in time, its mappings when they like; it is
 * freed by whoever erased it when there are neither.
 */
#ifndef VMDEDUP_CORE_STABLE_H
#define VMDEDUP_CORE_STABLE_H

#include "tree.h"

struct page;

/* What is wrong with a frame's memory. */
enum vmdedup_bad {
	VMDEDUP_GOOD,
	VMDEDUP_CORRUPT,	/* the content is not what it was */
	VMDEDUP_REPAIRED,	/* nor was this, for one bit; now it is again */
	VMDEDUP_POISONED,	/* the kernel says that it must not be read */
};

/**
 * struct vmdedup_frame - a shared frame
 * @node: in the stable tree
 * @page: its page; the tree holds one reference to it
 * @users: those about to map it
 * @bad: enum vmdedup_bad; set when it leaves the tree for that, and from then on
 *	its own who took it out
 */
struct vmdedup_frame {
	struct vmdedup_node node;
	struct page *page;
	atomic_t users;
	u8 bad;
};

/**
 * struct vmdedup_cursor - on the way through all frames
 * @shard: the one that is being gone through
 * @inside: not at its beginning
 * @last: then, the key of the frame that was met last
 *
 * All zero to begin with.
 */
struct vmdedup_cursor {
	unsigned int shard;
	bool inside;
	struct vmdedup_key last;
};

struct vmdedup_frame *vmdedup_stable_get(struct vmdedup_tree *stable,
					 const struct vmdedup_key *key);
struct vmdedup_frame *vmdedup_stable_add(struct vmdedup_tree *stable,
					 struct vmdedup_frame *frame);
bool vmdedup_stable_has(struct vmdedup_tree *stable,
			const struct vmdedup_key *key);
struct vmdedup_frame *vmdedup_stable_next(struct vmdedup_tree *stable,
					  struct vmdedup_cursor *cursor);
bool vmdedup_stable_expel(struct vmdedup_tree *stable,
			  struct vmdedup_frame *frame, enum vmdedup_bad bad);

static inline struct vmdedup_frame *vmdedup_frame_of(struct vmdedup_node *node)
{
	return container_of(node, struct vmdedup_frame, node);
}

/**
 * vmdedup_stable_dup() - use a frame once more
 * @frame: a frame that the caller uses already
 */
static inline void vmdedup_stable_dup(struct vmdedup_frame *frame)
{
	atomic_inc(&frame->users);
}

/**
 * vmdedup_stable_put() - drop what vmdedup_stable_get() or _add() gave
 * @frame: the frame
 *
 * Any context. Orders the caller's mappings of the page before the drop: see
 * vmdedup_stable_idle().
 */
static inline void vmdedup_stable_put(struct vmdedup_frame *frame)
{
	atomic_dec_return_release(&frame->users);
}

/**
 * vmdedup_stable_idle() - is nobody about to map this frame?
 * @frame: a frame of a shard whose lock is held
 *
 * When true, a mapping that a former user made is visible to the caller.
 */
static inline bool vmdedup_stable_idle(struct vmdedup_frame *frame)
{
	return !atomic_read_acquire(&frame->users);
}

#endif /* VMDEDUP_CORE_STABLE_H */
