// SPDX-License-Identifier: LGPL-2.1
/*
 * From the table to the answers. The entries are sorted by content and taken
 * group by group, first to find out what each huge page would save, then again
 * without the pages of those that would be kept.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "estimate_private.h"

#define NR_POLICIES	VMDEDUP_ESTIMATE_POLICY_NR

/* Of a normal distribution, 95 % are within so many standard deviations. */
#define CONFIDENCE	1.96

/**
 * struct tally - numbers by process or domain, all 0 between two groups
 * @count: the numbers
 * @touched: indexes of those that are not 0
 * @nr: entries in @touched
 */
struct tally {
	uint64_t *count;
	uint32_t *touched;
	size_t nr;
};

/**
 * struct counter - what one run over the table needs
 * @est: the estimate
 * @mappings: of the group, by process
 * @pages: of the group, by policy and domain
 * @frames: of the group, by policy and domain: those that can be merged, and
 *	that nobody outside of the domain maps
 * @saving: by policy: frames that would be freed
 * @variance: by policy: of @saving
 * @weight: contents that the group stands for
 * @without_kept: pages in huge pages that are kept do not count
 */
struct counter {
	struct vmdedup_estimate *est;
	struct tally mappings;
	struct tally pages[NR_POLICIES];
	struct tally frames[NR_POLICIES];
	double saving[NR_POLICIES];
	double variance[NR_POLICIES];
	uint64_t weight;
	bool without_kept;
};

static int tally_init(struct tally *tally, size_t nr)
{
	/* calloc(0) may return NULL. */
	tally->count = calloc(nr + 1, sizeof(*tally->count));
	tally->touched = calloc(nr + 1, sizeof(*tally->touched));
	return tally->count && tally->touched ? 0 : -ENOMEM;
}

static void tally_free(struct tally *tally)
{
	free(tally->count);
	free(tally->touched);
}

static void tally_add(struct tally *tally, uint32_t index, uint64_t n)
{
	if (!n)
		return;
	if (!tally->count[index])
		tally->touched[tally->nr++] = index;
	tally->count[index] += n;
}

static void tally_clear(struct tally *tally)
{
	while (tally->nr)
		tally->count[tally->touched[--tally->nr]] = 0;
}

static uint32_t domain_of(const struct counter *counter, const struct est_entry *entry,
			  unsigned int policy)
{
	return counter->est->procs[entry->proc].domain[policy];
}

static bool is_own(const struct est_entry *entry)
{
	return !entry->frame || entry->frame & EST_HUGE;
}

static struct est_huge *huge_of(const struct counter *counter, const struct est_entry *entry)
{
	if (!(entry->frame & EST_HUGE) || entry->frame == EST_ANY_HUGE)
		return NULL;
	return &counter->est->huge[entry->frame & EST_NUMBER];
}

/* Frames of one process only, each a frame for each page. */
static void add_own(struct counter *counter, const struct est_entry *entry)
{
	const struct est_huge *huge = huge_of(counter, entry);
	unsigned int policy;

	for (policy = 0; policy < NR_POLICIES; policy++) {
		if (counter->without_kept && huge && huge->kept >> policy & 1)
			continue;
		tally_add(&counter->frames[policy], domain_of(counter, entry, policy),
			  entry->count);
	}
}

/* One frame, mapped by the processes of @nr entries. */
static void add_shared(struct counter *counter, const struct est_entry *entries, size_t nr)
{
	unsigned int policy;
	uint32_t domain;
	size_t i;

	if (entries->frame & EST_FIXED)
		return;
	for (policy = 0; policy < NR_POLICIES; policy++) {
		domain = domain_of(counter, entries, policy);
		for (i = 1; i < nr && domain_of(counter, &entries[i], policy) == domain; i++)
			;
		if (i == nr)
			tally_add(&counter->frames[policy], domain, 1);
	}
}

static size_t same_frame(const struct est_entry *entries, size_t nr)
{
	size_t n = 1;

	while (n < nr && entries[n].frame == entries->frame)
		n++;
	return n;
}

static void add_group(struct counter *counter, const struct est_entry *entries, size_t nr)
{
	unsigned int policy;
	size_t i, n;

	for (i = 0; i < nr; i += n) {
		n = 1;
		if (is_own(&entries[i])) {
			add_own(counter, &entries[i]);
		} else {
			n = same_frame(entries + i, nr - i);
			add_shared(counter, entries + i, n);
		}
	}
	for (i = 0; i < nr; i++) {
		tally_add(&counter->mappings, entries[i].proc, entries[i].count);
		for (policy = 0; policy < NR_POLICIES; policy++)
			tally_add(&counter->pages[policy],
				  domain_of(counter, &entries[i], policy), entries[i].count);
	}
}

static void clear_group(struct counter *counter)
{
	unsigned int policy;

	tally_clear(&counter->mappings);
	for (policy = 0; policy < NR_POLICIES; policy++) {
		tally_clear(&counter->pages[policy]);
		tally_clear(&counter->frames[policy]);
	}
}

/*
 * All frames of a domain but one go; those of zeroes all. A content that saves s
 * is in the sample with a probability of 1 in w, and counts w * s then: a
 * variance of (w - 1) * s^2, of which the sample has w times as much.
 */
static void add_saving(struct counter *counter, bool zero)
{
	const struct tally *frames;
	double w = counter->weight;
	unsigned int policy;
	uint64_t saving;
	size_t i;

	for (policy = 0; policy < NR_POLICIES; policy++) {
		frames = &counter->frames[policy];
		saving = 0;
		for (i = 0; i < frames->nr; i++)
			saving += frames->count[frames->touched[i]] - !zero;
		counter->saving[policy] += w * saving;
		counter->variance[policy] += w * (w - 1) * saving * saving;
	}
}

/* What is equal to what, for each process and each policy. */
static void add_contents(struct counter *counter)
{
	struct vmdedup_estimate *est = counter->est;
	struct vmdedup_estimate_guest *guest;
	uint64_t mine, all, w = counter->weight;
	const struct est_proc *proc;
	unsigned int policy;
	size_t i;

	for (policy = 0; policy < NR_POLICIES; policy++)
		est->result.answers[policy].distinct += w * counter->pages[policy].nr;
	for (i = 0; i < counter->mappings.nr; i++) {
		proc = &est->procs[counter->mappings.touched[i]];
		guest = &est->procs[counter->mappings.touched[i]].guest;
		mine = counter->mappings.count[counter->mappings.touched[i]];
		guest->repeated += w * (mine - 1);
		for (policy = 0; policy < NR_POLICIES; policy++) {
			all = counter->pages[policy].count[proc->domain[policy]];
			if (all > mine)
				guest->others[policy] += w;
			else
				guest->unique[policy] += w;
		}
	}
}

static void add_huge(struct counter *counter, const struct est_entry *entries, size_t nr)
{
	struct est_huge *huge;
	unsigned int policy;
	uint32_t domain;
	size_t i;

	for (i = 0; i < nr; i++) {
		huge = huge_of(counter, &entries[i]);
		if (!huge)
			continue;
		huge->sampled += entries[i].count;
		for (policy = 0; policy < NR_POLICIES; policy++) {
			domain = domain_of(counter, &entries[i], policy);
			if (counter->frames[policy].count[domain] > 1)
				huge->useful[policy] += entries[i].count;
		}
	}
}

/* What is saved by now: of each frame all mappings but one. */
static void add_saved(struct counter *counter, const struct est_entry *entries, size_t nr,
		      double *saved)
{
	struct vmdedup_estimate *est = counter->est;
	uint64_t mappings;
	size_t i, j, n;

	for (i = 0; i < nr; i += n) {
		n = 1;
		if (is_own(&entries[i]))
			continue;
		n = same_frame(entries + i, nr - i);
		mappings = 0;
		for (j = i; j < i + n; j++)
			mappings += entries[j].count;
		for (j = i; j < i + n; j++)
			saved[entries[j].proc] += counter->weight * entries[j].count *
						  (1 - 1.0 / mappings);
		est->result.saved += counter->weight * (mappings - 1);
	}
}

static bool same_group(const struct est_entry *a, const struct est_entry *b)
{
	return a->content == b->content && (a->frame & EST_ZERO) == (b->frame & EST_ZERO);
}

static void run(struct counter *counter, double *saved)
{
	const struct est_table *table = &counter->est->table;
	const struct est_entry *first;
	size_t i, nr;

	for (i = 0; i < table->used; i += nr) {
		bool zero;

		first = &table->slots[i];
		zero = first->frame & EST_ZERO;
		for (nr = 1; i + nr < table->used && same_group(first, first + nr); nr++)
			;
		counter->weight = est_table_weight(table, first->content);
		add_group(counter, first, nr);
		add_saving(counter, zero);
		if (!counter->without_kept) {
			counter->est->result.kept++;
			add_saved(counter, first, nr, saved);
			if (!zero) {
				add_contents(counter);
				add_huge(counter, first, nr);
			}
		}
		clear_group(counter);
	}
}

static int counter_init(struct counter *counter, struct vmdedup_estimate *est)
{
	unsigned int policy;
	int err;

	memset(counter, 0, sizeof(*counter));
	counter->est = est;
	err = tally_init(&counter->mappings, est->nr_procs);
	for (policy = 0; policy < NR_POLICIES; policy++) {
		err = err ? err : tally_init(&counter->pages[policy], est->nr_procs);
		err = err ? err : tally_init(&counter->frames[policy], est->nr_procs);
	}
	return err;
}

static void counter_free(struct counter *counter)
{
	unsigned int policy;

	tally_free(&counter->mappings);
	for (policy = 0; policy < NR_POLICIES; policy++) {
		tally_free(&counter->pages[policy]);
		tally_free(&counter->frames[policy]);
	}
}

/*
 * Where hardly anything was found, so is little variance: three times the weight
 * is what may be there, with a confidence of 95 %, when the sample has nothing.
 */
static uint64_t error_of(const struct vmdedup_estimate *est, double variance)
{
	if (!est->table.level)
		return 0;
	return CONFIDENCE * sqrt(variance) + 3 * (1ULL << est->table.level);
}

/* Pages that would be saved in a huge page. */
static unsigned int huge_worth(const struct est_huge *huge, unsigned int policy)
{
	unsigned int known = huge->zero + huge->heavy;
	unsigned int others = VMDEDUP_ESTIMATE_HUGE - known;

	if (!huge->sampled)
		return known;
	return known + (huge->useful[policy] * others + huge->sampled / 2) / huge->sampled;
}

/* @lost: pages known to have an equal, in huge pages that are kept. */
static void judge_huge(struct vmdedup_estimate *est, uint64_t *lost)
{
	struct vmdedup_estimate_answer *answer;
	unsigned int policy, worth;
	struct est_huge *huge;
	size_t i;

	for (i = 0; i < est->nr_huge; i++) {
		huge = &est->huge[i];
		for (policy = 0; policy < NR_POLICIES; policy++) {
			answer = &est->result.answers[policy];
			worth = huge_worth(huge, policy);
			answer->huge_helpful += worth > 0;
			if (worth >= est->options.split_pages) {
				answer->huge_split++;
			} else {
				huge->kept |= 1 << policy;
				lost[policy] += huge->zero + huge->heavy;
			}
		}
	}
}

/* Copies the processes to where the caller sees them, and adds them up. */
static int take_guests(struct vmdedup_estimate *est, const double *saved, uint64_t *zero_own)
{
	struct vmdedup_estimate_result *result = &est->result;
	struct vmdedup_estimate_guest *guest;
	unsigned int policy;
	size_t i;

	result->guests = calloc(est->nr_procs + 1, sizeof(*result->guests));
	if (!result->guests)
		return -ENOMEM;
	result->nr_guests = est->nr_procs;
	for (i = 0; i < est->nr_procs; i++) {
		guest = &est->procs[i].guest;
		guest->saved = guest->zero_page + saved[i];
		result->guests[i] = *guest;
		result->resident += guest->resident;
		result->saved += guest->zero_page;
		result->huge += guest->huge;
		*zero_own += est->procs[i].zero_own;
		for (policy = 0; policy < NR_POLICIES; policy++)
			result->answers[policy].domains += est->procs[i].domain[policy] == i;
	}
	return 0;
}

static void take_answers(struct counter *counter, uint64_t zero_own)
{
	struct vmdedup_estimate_answer *answer;
	unsigned int policy;

	for (policy = 0; policy < NR_POLICIES; policy++) {
		answer = &counter->est->result.answers[policy];
		answer->would_save = zero_own + counter->saving[policy];
		answer->error = error_of(counter->est, counter->variance[policy]);
		counter->saving[policy] = 0;
		counter->variance[policy] = 0;
	}
}

static void take_answers_split(struct counter *counter, uint64_t zero_own, const uint64_t *lost)
{
	struct vmdedup_estimate_answer *answer;
	unsigned int policy;
	double saving;

	for (policy = 0; policy < NR_POLICIES; policy++) {
		answer = &counter->est->result.answers[policy];
		saving = zero_own + counter->saving[policy];
		answer->would_save_split = saving > lost[policy] ? saving - lost[policy] : 0;
		answer->error_split = error_of(counter->est, counter->variance[policy]);
	}
}

static int count(struct vmdedup_estimate *est, struct counter *counter, double *saved)
{
	uint64_t zero_own = 0, lost[NR_POLICIES] = { 0 };
	int err;

	run(counter, saved);
	err = take_guests(est, saved, &zero_own);
	if (err)
		return err;
	take_answers(counter, zero_own);
	judge_huge(est, lost);
	counter->without_kept = true;
	run(counter, saved);
	take_answers_split(counter, zero_own, lost);
	return 0;
}

int est_count(struct vmdedup_estimate *est)
{
	double *saved = calloc(est->nr_procs + 1, sizeof(*saved));
	struct counter counter;
	int err;

	if (!saved)
		return -ENOMEM;
	est_table_sort(&est->table);
	est->result.level = est->table.level;
	est->result.split_pages = est->options.split_pages;
	est->result.frames_known = est->frames_known;
	err = counter_init(&counter, est);
	if (!err)
		err = count(est, &counter, saved);
	counter_free(&counter);
	free(saved);
	return err;
}
