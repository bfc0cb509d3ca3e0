// SPDX-License-Identifier: LGPL-2.1
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "estimate_table.h"

#define FIRST_SLOTS	1024

/* While it grows, or is thinned out, there are two of them. */
static size_t slots_in(size_t memory)
{
	size_t slots = FIRST_SLOTS;

	while (2 * slots * sizeof(struct est_entry) <= memory / 2)
		slots *= 2;
	return slots;
}

int est_table_init(struct est_table *table, size_t memory,
		   void (*settle)(void *data, uint64_t huge, uint32_t count), void *data)
{
	memset(table, 0, sizeof(*table));
	table->settle = settle;
	table->data = data;
	table->nr_slots = FIRST_SLOTS;
	table->max_slots = slots_in(memory);
	table->slots = calloc(table->nr_slots, sizeof(*table->slots));
	return table->slots ? 0 : -ENOMEM;
}

void est_table_free(struct est_table *table)
{
	free(table->slots);
	free(table->heavy);
	table->slots = NULL;
	table->heavy = NULL;
}

size_t est_table_room(const struct est_table *table)
{
	return table->max_slots / 4 * 3;
}

static bool is_heavy(const struct est_table *table, uint64_t content)
{
	size_t low = 0, high = table->nr_heavy, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (table->heavy[middle] < content)
			low = middle + 1;
		else
			high = middle;
	}
	return low < table->nr_heavy && table->heavy[low] == content;
}

uint64_t est_table_weight(const struct est_table *table, uint64_t content)
{
	return is_heavy(table, content) ? 1 : 1ULL << table->level;
}

static bool in_sample(const struct est_table *table, uint64_t content)
{
	return !table->level || !(content >> (64 - table->level)) || is_heavy(table, content);
}

/* The slot of that key, or the free one where it belongs. */
static struct est_entry *find(const struct est_table *table, uint64_t content, uint64_t frame,
			      uint32_t proc)
{
	uint64_t hash = content ^ (frame + proc * 0x9e3779b97f4a7c15) * 0xff51afd7ed558ccd;
	struct est_entry *slot;
	size_t i;

	/* The sample is chosen by the upper bits. */
	hash *= 0xc4ceb9fe1a85ec53;
	for (i = hash ^ hash >> 32;; i++) {
		slot = &table->slots[i & (table->nr_slots - 1)];
		if (!slot->count || (slot->content == content && slot->frame == frame &&
				     slot->proc == proc))
			return slot;
	}
}

static void insert(struct est_table *table, const struct est_entry *entry)
{
	struct est_entry *slot;
	uint64_t frame = entry->frame;

	if (frame & EST_HUGE && table->level && is_heavy(table, entry->content)) {
		if (frame != EST_ANY_HUGE)
			table->settle(table->data, frame & EST_NUMBER, entry->count);
		frame = EST_ANY_HUGE;
	}
	slot = find(table, entry->content, frame, entry->proc);
	if (!slot->count) {
		slot->content = entry->content;
		slot->frame = frame;
		slot->proc = entry->proc;
		table->used++;
	}
	slot->count += entry->count < UINT32_MAX - slot->count ?
		       entry->count : UINT32_MAX - slot->count;
}

/* Moves what is in the sample to a new array of slots. */
static int rebuild(struct est_table *table, size_t nr_slots)
{
	struct est_entry *old = table->slots, *slots;
	size_t i, nr_old = table->nr_slots;

	slots = calloc(nr_slots, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	table->slots = slots;
	table->nr_slots = nr_slots;
	table->used = 0;
	for (i = 0; i < nr_old; i++) {
		if (old[i].count && in_sample(table, old[i].content))
			insert(table, &old[i]);
	}
	free(old);
	return 0;
}

static bool is_full(const struct est_table *table)
{
	return table->used >= table->nr_slots / 4 * 3;
}

static int make_room(struct est_table *table)
{
	int err = 0;

	if (table->nr_slots < table->max_slots)
		return rebuild(table, 2 * table->nr_slots);
	while (!err && is_full(table)) {
		if (table->level == 63)
			return -ENOSPC;
		table->level++;
		err = rebuild(table, table->nr_slots);
	}
	return err;
}

int est_table_add(struct est_table *table, uint64_t content, uint64_t frame, uint32_t proc)
{
	struct est_entry entry = {
		.content	= content,
		.frame		= frame,
		.proc		= proc,
		.count		= 1,
	};
	int err = 0;

	if (is_full(table) && in_sample(table, content))
		err = make_room(table);
	if (!err && in_sample(table, content))
		insert(table, &entry);
	return err;
}

static int compare(const void *x, const void *y)
{
	const struct est_entry *a = x, *b = y;

	if (a->content != b->content)
		return a->content < b->content ? -1 : 1;
	if (a->frame != b->frame)
		return a->frame < b->frame ? -1 : 1;
	return a->proc < b->proc ? -1 : a->proc > b->proc;
}

void est_table_sort(struct est_table *table)
{
	size_t i, used = 0;

	for (i = 0; i < table->nr_slots; i++) {
		if (table->slots[i].count)
			table->slots[used++] = table->slots[i];
	}
	qsort(table->slots, table->used, sizeof(*table->slots), compare);
}
