// SPDX-License-Identifier: GPL-2.0
#include "stable.h"

/**
 * vmdedup_stable_get() - find a frame and use it
 * @stable: the stable tree
 * @key: domain and checksum
 *
 * The frame only may have the content sought: compare. Does not sleep.
 *
 * Return: a frame that stays until vmdedup_stable_put(), or NULL.
 */
struct vmdedup_frame *vmdedup_stable_get(struct vmdedup_tree *stable,
					 const struct vmdedup_key *key)
{
	struct vmdedup_shard *shard = vmdedup_tree_shard(stable, key);
	struct vmdedup_frame *frame = NULL;
	struct vmdedup_node *node;

	spin_lock(&shard->lock);
	node = vmdedup_shard_find(shard, key);
	if (node) {
		frame = vmdedup_frame_of(node);
		atomic_inc(&frame->users);
	}
	spin_unlock(&shard->lock);
	return frame;
}

/**
 * vmdedup_stable_add() - add a new frame, and use it
 * @stable: the stable tree
 * @frame: not in the tree; its page has its final content
 *
 * Does not sleep.
 *
 * Return: @frame; or the frame that has that key already, then @frame is
 * still the caller's. Either stays until vmdedup_stable_put().
 */
struct vmdedup_frame *vmdedup_stable_add(struct vmdedup_tree *stable,
					 struct vmdedup_frame *frame)
{
	struct vmdedup_shard *shard = vmdedup_tree_shard(stable, &frame->node.key);
	struct vmdedup_node *old;

	spin_lock(&shard->lock);
	old = vmdedup_shard_insert(shard, &frame->node);
	if (old)
		frame = vmdedup_frame_of(old);
	atomic_inc(&frame->users);
	spin_unlock(&shard->lock);
	return frame;
}

/**
 * vmdedup_stable_has() - is there a frame with this key?
 * @stable: the stable tree
 * @key: domain and checksum
 *
 * A hint: it may come or go at once. Does not sleep.
 */
bool vmdedup_stable_has(struct vmdedup_tree *stable,
			const struct vmdedup_key *key)
{
	struct vmdedup_shard *shard = vmdedup_tree_shard(stable, key);
	bool found;

	spin_lock(&shard->lock);
	found = vmdedup_shard_find(shard, key);
	spin_unlock(&shard->lock);
	return found;
}

/**
 * vmdedup_stable_next() - use the next one of all frames
 * @stable: the stable tree
 * @cursor: where we are; moves on
 *
 * From one end to the other, each frame that stays is met once; of those that
 * come or go meanwhile some are. One lock of a shard is held at a time, for one
 * look-up. Does not sleep.
 *
 * Return: a frame that stays until vmdedup_stable_put(); or NULL at the end, and
 * the cursor is at the beginning again.
 */
struct vmdedup_frame *vmdedup_stable_next(struct vmdedup_tree *stable,
					  struct vmdedup_cursor *cursor)
{
	for (; cursor->shard < VMDEDUP_SHARDS; cursor->shard++) {
		struct vmdedup_shard *shard = &stable->shard[cursor->shard];
		struct vmdedup_frame *frame = NULL;
		struct vmdedup_node *node;

		spin_lock(&shard->lock);
		node = vmdedup_shard_after(shard, cursor->inside ?
						  &cursor->last : NULL);
		if (node) {
			frame = vmdedup_frame_of(node);
			atomic_inc(&frame->users);
		}
		spin_unlock(&shard->lock);
		cursor->inside = frame;
		if (frame) {
			cursor->last = frame->node.key;
			return frame;
		}
	}
	cursor->shard = 0;
	return NULL;
}

/**
 * vmdedup_stable_expel() - take a bad frame out
 * @stable: the stable tree
 * @frame: a frame that the caller uses
 * @bad: what is wrong with it
 *
 * Does not sleep.
 *
 * Return: true if it was in the tree: now it is the caller's to free, once it
 * is neither used nor mapped. False if somebody else has taken it out.
 */
bool vmdedup_stable_expel(struct vmdedup_tree *stable,
			  struct vmdedup_frame *frame, enum vmdedup_bad bad)
{
	struct vmdedup_shard *shard = vmdedup_tree_shard(stable,
							 &frame->node.key);
	bool was_in;

	spin_lock(&shard->lock);
	/* Nobody takes out what is in use, but for this. */
	was_in = !frame->bad;
	if (was_in) {
		WRITE_ONCE(frame->bad, bad);
		vmdedup_shard_erase(shard, &frame->node);
	}
	spin_unlock(&shard->lock);
	return was_in;
}
