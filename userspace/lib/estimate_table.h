/* SPDX-License-Identifier: LGPL-2.1 */
/* Which contents were seen where: all of them, or a sample that fits. */
#ifndef _VMDEDUP_ESTIMATE_TABLE_H
#define _VMDEDUP_ESTIMATE_TABLE_H

#include <stddef.h>
#include <stdint.h>

/*
 * What an entry's @frame says: 0 for frames that nobody else maps, @count of
 * them; a frame number; or one of these with a number in the bits below.
 */
#define EST_HUGE	(1ULL << 63)	/* in that huge page of the array; as 0 */
#define EST_FIXED	(1ULL << 62)	/* that frame; it cannot be merged */
#define EST_ZERO	(1ULL << 61)	/* that frame; holds zeroes only */
#define EST_SHARED	(1ULL << 60)	/* an unknown frame, mapped elsewhere too */
#define EST_NUMBER	(EST_SHARED - 1)
/* In huge pages, no matter in which: that is what @settle was told of. */
#define EST_ANY_HUGE	(EST_HUGE | EST_NUMBER)

/**
 * struct est_entry - a content seen in a process
 * @content: its hash
 * @frame: the frames, see above
 * @proc: index of the process
 * @count: mappings; 0: the slot is free
 */
struct est_entry {
	uint64_t content;
	uint64_t frame;
	uint32_t proc;
	uint32_t count;
};

/**
 * struct est_table - a hash table with a limit
 * @slots: entries, in no order
 * @nr_slots: a power of two
 * @max_slots: the most there may be, a power of two
 * @used: slots that are not free
 * @level: only contents with so many leading zero bits are kept, and heavy ones
 * @heavy: hashes of contents that stay, whatever their bits are, sorted; set
 *	before anything is added
 * @nr_heavy: entries in @heavy
 * @settle: told of entries in huge pages whose content is heavy, once @level is
 *	not 0: the number of the huge page, and how many
 * @data: for @settle
 *
 * A sample misses most of the few contents that have very many copies, and with
 * them much of what there is to save: so these are counted without sampling.
 */
struct est_table {
	struct est_entry *slots;
	size_t nr_slots;
	size_t max_slots;
	size_t used;
	unsigned int level;
	uint64_t *heavy;
	size_t nr_heavy;
	void (*settle)(void *data, uint64_t huge, uint32_t count);
	void *data;
};

/**
 * est_table_init() - an empty table
 * @table: the table; to be released by est_table_free()
 * @memory: bytes that it may use at the most, 64 KiB or more
 * @settle: as in struct est_table
 * @data: for @settle
 *
 * Return: 0 or -ENOMEM.
 */
int est_table_init(struct est_table *table, size_t memory,
		   void (*settle)(void *data, uint64_t huge, uint32_t count), void *data);

/* est_table_free() - release what est_table_init() allocated */
void est_table_free(struct est_table *table);

/**
 * est_table_add() - a content was seen
 * @table: the table
 * @content: its hash
 * @frame: where
 * @proc: in which process
 *
 * Return: 0 (also when the content is not in the sample), -ENOMEM, or -ENOSPC
 * when one content alone has too many entries.
 */
int est_table_add(struct est_table *table, uint64_t content, uint64_t frame, uint32_t proc);

/* est_table_room() - entries that it holds at the most */
size_t est_table_room(const struct est_table *table);

/* est_table_weight() - how many contents one that is in the table stands for */
uint64_t est_table_weight(const struct est_table *table, uint64_t content);

/**
 * est_table_sort() - entries by content, frame, process
 * @table: the table; @slots is an array of @used entries afterwards, and nothing
 *	can be added any more
 */
void est_table_sort(struct est_table *table);

#endif /* _VMDEDUP_ESTIMATE_TABLE_H */
