// SPDX-License-Identifier: GPL-2.0
#include "runs.h"

static int place_cmp(const struct vmdedup_place *a,
		     const struct vmdedup_place *b)
{
	if (a->region != b->region)
		return a->region < b->region ? -1 : 1;
	if (a->vpn != b->vpn)
		return a->vpn < b->vpn ? -1 : 1;
	return 0;
}

static int job_cmp(const void *a, const void *b)
{
	const struct vmdedup_job *ja = a, *jb = b;

	return place_cmp(&ja->place, &jb->place);
}

/**
 * vmdedup_jobs_sort() - order jobs by region and address
 * @jobs: the jobs
 * @nr: how many
 */
void vmdedup_jobs_sort(struct vmdedup_job *jobs, unsigned int nr)
{
	sort(jobs, nr, sizeof(*jobs), job_cmp, NULL);
}

/**
 * vmdedup_jobs_unique() - drop all but the first job of every place
 * @jobs: sorted jobs
 * @nr: how many
 *
 * Two workers, or a page found both as candidate and by itself, can give two
 * jobs for a page. Gives up the frames of those dropped.
 *
 * Return: how many are left.
 */
unsigned int vmdedup_jobs_unique(struct vmdedup_job *jobs, unsigned int nr)
{
	unsigned int i, kept = 0;

	for (i = 0; i < nr; i++) {
		if (kept && !job_cmp(&jobs[kept - 1], &jobs[i])) {
			if (jobs[i].frame)
				vmdedup_stable_put(jobs[i].frame);
			continue;
		}
		jobs[kept++] = jobs[i];
	}
	return kept;
}

static bool same_table(const struct vmdedup_place *a,
		       const struct vmdedup_place *b)
{
	return a->region == b->region &&
	       a->vpn / VMDEDUP_RUN_MAX == b->vpn / VMDEDUP_RUN_MAX;
}

/**
 * vmdedup_jobs_run() - length of the run at the head of sorted jobs
 * @jobs: sorted jobs without doubles
 * @nr: how many
 * @max: longest run wanted, at least 1
 *
 * Return: how many jobs are consecutive pages of one page table; 0 if @nr is.
 */
unsigned int vmdedup_jobs_run(const struct vmdedup_job *jobs, unsigned int nr,
			      unsigned int max)
{
	unsigned int len;

	for (len = 0; len < nr && len < max; len++) {
		if (len && (!same_table(&jobs[0].place, &jobs[len].place) ||
			    jobs[len].place.vpn != jobs[0].place.vpn + len))
			break;
	}
	return len;
}

/**
 * vmdedup_jobs_same_table() - how many sorted jobs share the first's page table
 * @jobs: sorted jobs
 * @nr: how many
 *
 * What a huge page would save if it were split now.
 */
unsigned int vmdedup_jobs_same_table(const struct vmdedup_job *jobs,
				     unsigned int nr)
{
	unsigned int len = 0;

	while (len < nr && same_table(&jobs[0].place, &jobs[len].place))
		len++;
	return len;
}

/**
 * vmdedup_jobs_same_region() - how many sorted jobs share the first's region
 * @jobs: sorted jobs
 * @nr: how many
 */
unsigned int vmdedup_jobs_same_region(const struct vmdedup_job *jobs,
				      unsigned int nr)
{
	unsigned int len = 0;

	while (len < nr && jobs[len].place.region == jobs[0].place.region)
		len++;
	return len;
}
