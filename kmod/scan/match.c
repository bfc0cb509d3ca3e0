// SPDX-License-Identifier: GPL-2.0
/*
 * Matching: which of a chunk's pages have an equal page elsewhere?
 *
 * A page is looked up in the stable tree, then in the unstable one. Equal
 * checksums are followed by a comparison of the live pages, so that hardly
 * anything is taken away from a guest in vain later on.
 */
#include <linux/highmem.h>
#include <linux/mm.h>

#include "../core/content.h"
#include "../mm/frame.h"
#include "../mm/ledger.h"
#include "engine.h"
#include "sift.h"
#include "worker.h"

/**
 * struct peer - the region in which partners were last looked for
 * @id: its id
 * @region: the region, entered and its mmap_lock held for reading; NULL if
 *	that was not to be had
 *
 * Partners come in rows, so the lock is kept from one to the next.
 */
struct peer {
	u64 id;
	struct vmdedup_region *region;
};

static void peer_close(struct peer *peer)
{
	if (!peer->region)
		return;
	mmap_read_unlock(peer->region->space->mm);
	vmdedup_region_leave(peer->region);
	vmdedup_region_put(peer->region);
	peer->region = NULL;
}

/* Do not wait: a partner that is busy can be met again in the next pass. */
static void peer_open(struct peer *peer, u64 id)
{
	peer_close(peer);
	peer->id = id;
	peer->region = vmdedup_region_get(id);
	if (!peer->region)
		return;
	if (!vmdedup_region_enter(peer->region, false))
		goto put;
	if (mmap_read_trylock(peer->region->space->mm))
		return;
	vmdedup_region_leave(peer->region);
put:
	vmdedup_region_put(peer->region);
	peer->region = NULL;
}

/* The page at a place of a trust domain, with a reference, or NULL. */
static struct page *peer_page(struct peer *peer,
			      const struct vmdedup_place *place, u64 domain)
{
	if (!peer->region || peer->id != place->region)
		peer_open(peer, place->region);
	/* Its process may have become another user's since it was noted. */
	if (!peer->region || READ_ONCE(peer->region->space->domain) != domain)
		return NULL;
	return vmdedup_sample_page(peer->region->space->mm, place->vpn);
}

static void add_job(struct vmdedup_worker *worker,
		    const struct vmdedup_place *place,
		    struct vmdedup_frame *frame)
{
	struct vmdedup_job *job = &worker->job[worker->nr_jobs++];

	job->place = *place;
	job->frame = frame;
}

static void skip(struct vmdedup_worker *worker, enum vmdedup_skip reason)
{
	worker->part.skip[reason]++;
	worker->tally.skip[reason]++;
}

static struct vmdedup_place place_of(struct vmdedup_worker *worker,
				     struct vmdedup_sample *sample)
{
	return (struct vmdedup_place){
		.region = worker->region->id,
		.vpn = sample->vpn,
	};
}

static struct vmdedup_key key_of(struct vmdedup_worker *worker,
				 struct vmdedup_sample *sample)
{
	return (struct vmdedup_key){
		.domain = worker->domain,
		.sum = sample->sum,
	};
}

static void hash_chunk(struct vmdedup_worker *worker)
{
	struct vmdedup_chunk *chunk = &worker->chunk;
	unsigned int i, kept = 0;

	for (i = 0; i < chunk->nr; i++) {
		struct vmdedup_sample *sample = &chunk->sample[kept];
		void *addr;

		*sample = chunk->sample[i];
		/* Since it was walked; or a part of a huge page, just now. */
		if (PageHWPoison(sample->page)) {
			skip(worker, VMDEDUP_SKIP_POISONED);
			if (!chunk->huge)
				put_page(sample->page);
			continue;
		}
		kept++;
		addr = kmap_local_page(sample->page);
		sample->zero = vmdedup_content_is_zero(addr);
		if (!sample->zero)
			sample->sum = vmdedup_content_sum(addr, worker->seed);
		kunmap_local(addr);
		cond_resched();
	}
	chunk->nr = kept;
	worker->tally.ev[VMDEDUP_EV_pages_hashed] += kept;
}

/*
 * Make or find the frame for two pages that were equal a moment ago. Returns
 * it in use, or NULL; the reason is counted.
 */
static struct vmdedup_frame *pair_frame(struct vmdedup_worker *worker,
					struct page *page,
					const struct vmdedup_key *key)
{
	struct vmdedup_frame *frame = worker->frame, *found;

	if (!vmdedup_frame_fill(frame, page, key, worker->seed)) {
		skip(worker, VMDEDUP_SKIP_CHANGED);
		return NULL;
	}
	worker->frame = NULL;
	found = vmdedup_stable_add(&vmdedup_engine.stable, frame);
	if (found == frame) {
		worker->tally.ev[VMDEDUP_EV_frames_made]++;
		vmdedup_sift_mark(worker, frame);
		return frame;
	}
	/* Another worker was faster, or the checksums collide. */
	if (!vmdedup_frame_equals(found, frame->page)) {
		worker->tally.ev[VMDEDUP_EV_collisions]++;
		vmdedup_stable_put(found);
		found = NULL;
	}
	vmdedup_frame_free(frame);
	return found;
}

/*
 * One page at two places is shared already, by fork: nothing to gain. And if
 * only the partner is part of a huge page, let that be judged as a whole when
 * its turn comes, since it may well be kept.
 */
static bool worth_pairing(struct vmdedup_worker *worker, struct page *partner,
			  struct page *page)
{
	if (partner == page)
		return false;
	return worker->chunk.huge || !PageCompound(partner) ||
	       vmdedup_engine_split_pages() == 1;
}

/* @sample has the checksum that was once seen at @other. */
static void match_pair(struct vmdedup_worker *worker, struct peer *peer,
		       struct vmdedup_sample *sample,
		       const struct vmdedup_key *key,
		       const struct vmdedup_place *other)
{
	struct vmdedup_place place = place_of(worker, sample);
	struct page *page = peer_page(peer, other, key->domain);
	struct vmdedup_frame *frame = NULL;

	if (!page) {
		worker->untried += !peer->region;
		return;
	}
	/* Most likely unequal pages have changed since. */
	if (worth_pairing(worker, page, sample->page) &&
	    vmdedup_pages_equal(page, sample->page))
		frame = pair_frame(worker, sample->page, key);
	put_page(page);
	if (!frame)
		return;
	add_job(worker, &place, frame);
	vmdedup_stable_dup(frame);
	add_job(worker, other, frame);
	vmdedup_unstable_forget(&vmdedup_engine.unstable, key);
}

/*
 * Candidates stay for a while when their pages have gone. So they are charged, and
 * there may be none; as may frames. Nobody is to wait for a partner's lock meanwhile.
 */
static bool have_spares(struct vmdedup_worker *worker, struct peer *peer)
{
	if (vmdedup_spare_get(worker))
		return true;
	peer_close(peer);
	if (vmdedup_spare_wait(worker))
		return true;
	worker->untried++;
	skip(worker, VMDEDUP_SKIP_NOMEM);
	return false;
}

/*
 * Note where a content was seen, and learn where it was seen before. There is a spare
 * candidate.
 */
static enum vmdedup_found note(struct vmdedup_worker *worker,
			       struct vmdedup_sample *sample,
			       struct vmdedup_place *other)
{
	enum vmdedup_found found;

	worker->spare->node.key = key_of(worker, sample);
	worker->spare->place = place_of(worker, sample);
	found = vmdedup_unstable_note(&vmdedup_engine.unstable, &worker->spare,
				      atomic_read(&vmdedup_engine.gen) -
				      worker->age, other);
	worker->score.alone += found == VMDEDUP_FOUND_SELF;
	return found;
}

static void match_one(struct vmdedup_worker *worker, struct peer *peer,
		      struct vmdedup_sample *sample)
{
	struct vmdedup_place place = place_of(worker, sample), other;
	struct vmdedup_key key = key_of(worker, sample);
	struct vmdedup_frame *frame;

	if (sample->zero) {
		add_job(worker, &place, NULL);
		return;
	}
	frame = vmdedup_stable_get(&vmdedup_engine.stable, &key);
	if (!frame) {
		if (have_spares(worker, peer) &&
		    note(worker, sample, &other) == VMDEDUP_FOUND_OTHER)
			match_pair(worker, peer, sample, &key, &other);
		return;
	}
	if (vmdedup_frame_equals(frame, sample->page)) {
		add_job(worker, &place, frame);
		return;
	}
	/* A collision, or the page has changed since it was hashed. */
	skip(worker, VMDEDUP_SKIP_CHANGED);
	vmdedup_stable_put(frame);
}

/* How many pages of a huge page would be saved by splitting it? */
static unsigned int huge_worth(struct vmdedup_worker *worker)
{
	unsigned int i, worth = 0;

	for (i = 0; i < worker->chunk.nr; i++) {
		struct vmdedup_sample *sample = &worker->chunk.sample[i];
		struct vmdedup_place place = place_of(worker, sample);
		struct vmdedup_key key = key_of(worker, sample);

		if (sample->zero ||
		    vmdedup_stable_has(&vmdedup_engine.stable, &key) ||
		    vmdedup_unstable_peek(&vmdedup_engine.unstable, &key,
					  &place) == VMDEDUP_FOUND_OTHER)
			worth++;
	}
	return worth;
}

/* Leave a huge page whole, but let others find what is in it. */
static void keep_huge(struct vmdedup_worker *worker, unsigned int worth)
{
	struct vmdedup_place other;
	struct peer nobody = {};
	unsigned int i;

	vmdedup_worker_kept(worker, worth);
	for (i = 0; i < worker->chunk.nr; i++) {
		struct vmdedup_sample *sample = &worker->chunk.sample[i];

		if (!sample->zero && have_spares(worker, &nobody))
			note(worker, sample, &other);
	}
}

/**
 * vmdedup_match() - match the pages of a chunk
 * @worker: with a chunk walked in @worker->region, and room for the jobs of
 *	one chunk; the chunk is empty afterwards
 *
 * No lock is held. May sleep.
 */
void vmdedup_match(struct vmdedup_worker *worker)
{
	struct vmdedup_chunk *chunk = &worker->chunk;
	unsigned int i, worth = UINT_MAX;
	struct peer peer = {};

	hash_chunk(worker);
	if (chunk->huge)
		worth = huge_worth(worker);
	if (worth < vmdedup_engine_split_pages()) {
		keep_huge(worker, worth);
	} else {
		for (i = 0; i < chunk->nr; i++) {
			match_one(worker, &peer, &chunk->sample[i]);
			/* Nobody shall wait for a partner's lock for long. */
			if (need_resched()) {
				peer_close(&peer);
				cond_resched();
			}
		}
	}
	peer_close(&peer);
	vmdedup_chunk_put(chunk);
	if (worker->untried)
		vmdedup_ledger_again(worker->region,
				     worker->visit.index * VMDEDUP_CHUNK_PAGES,
				     worker->untried);
	worker->untried = 0;
	/* On request all pages are looked at, whatever their sketches say. */
	if (worker->visit.purpose == VMDEDUP_SCAN_ALL)
		vmdedup_sift_score(&worker->score);
	memset(&worker->score, 0, sizeof(worker->score));
}
