// SPDX-License-Identifier: LGPL-2.1
/* The estimate: processes, their domains, and what a page counts as. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "estimate_private.h"

#define DEFAULT_MEMORY	(64UL << 20)
#define MIN_MEMORY	(64UL << 10)
#define DEFAULT_SPLIT	128

static int set_options(struct vmdedup_estimate *est,
		       const struct vmdedup_estimate_options *options)
{
	if (options)
		est->options = *options;
	if (!est->options.proc_dir)
		est->options.proc_dir = "/proc";
	if (!est->options.memory)
		est->options.memory = DEFAULT_MEMORY;
	if (!est->options.split_pages)
		est->options.split_pages = DEFAULT_SPLIT;
	if (!est->options.seed &&
	    getrandom(&est->options.seed, sizeof(est->options.seed), 0) < 0)
		return -errno;
	if (est->options.memory < MIN_MEMORY ||
	    est->options.split_pages > VMDEDUP_ESTIMATE_HUGE ||
	    sysconf(_SC_PAGESIZE) != (long)EST_PAGE)
		return -EINVAL;
	return 0;
}

static void settle_huge(void *data, uint64_t huge, uint32_t count)
{
	struct vmdedup_estimate *est = data;

	est->huge[huge].heavy += count;
}

int vmdedup_estimate_new(struct vmdedup_estimate **estp,
			 const struct vmdedup_estimate_options *options)
{
	struct vmdedup_estimate *est = calloc(1, sizeof(*est));
	int err;

	if (!est)
		return -ENOMEM;
	err = set_options(est, options);
	if (!err)
		err = est_table_init(&est->table, est->options.memory, settle_huge, est);
	if (err) {
		free(est);
		return err;
	}
	*estp = est;
	return 0;
}

void vmdedup_estimate_free(struct vmdedup_estimate *est)
{
	size_t i;

	if (!est)
		return;
	for (i = 0; i < est->nr_procs; i++) {
		est_smaps_free(&est->procs[i].mappings);
		free((char *)est->procs[i].guest.cgroup);
	}
	free(est->procs);
	free(est->huge);
	free(est->result.guests);
	est_table_free(&est->table);
	free(est);
}

int est_open(const struct vmdedup_estimate *est, pid_t pid, const char *name)
{
	char path[PATH_MAX];
	int len, fd;

	if (pid)
		len = snprintf(path, sizeof(path), "%s/%d/%s", est->options.proc_dir, pid, name);
	else
		len = snprintf(path, sizeof(path), "%s/%s", est->options.proc_dir, name);
	if (len >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT && pid ? -ESRCH : -errno;
	return fd;
}

static FILE *open_file(const struct vmdedup_estimate *est, pid_t pid, const char *name, int *err)
{
	int fd = est_open(est, pid, name);
	FILE *file;

	if (fd < 0) {
		*err = fd;
		return NULL;
	}
	file = fdopen(fd, "r");
	if (!file) {
		*err = -ENOMEM;
		close(fd);
	}
	return file;
}

static int read_uid(const struct vmdedup_estimate *est, pid_t pid, uid_t *uid)
{
	char *line = NULL;
	unsigned int real;
	size_t size = 0;
	int err = 0;
	FILE *file = open_file(est, pid, "status", &err);

	if (!file)
		return err;
	err = -EPROTO;
	while (err && getline(&line, &size, file) >= 0) {
		if (sscanf(line, "Uid: %u", &real) == 1) {
			*uid = real;
			err = 0;
		}
	}
	free(line);
	fclose(file);
	return err;
}

/* "0::/path", or with cgroup v1 "4:memory:/path", which comes before it then. */
static char *read_cgroup(const struct vmdedup_estimate *est, pid_t pid)
{
	char *line = NULL, *path = NULL, *colon;
	size_t size = 0;
	int err = 0;
	FILE *file = open_file(est, pid, "cgroup", &err);

	while (file && getline(&line, &size, file) >= 0) {
		colon = strchr(line, ':');
		if (!colon)
			continue;
		if (!strncmp(colon, ":memory:", 8))
			colon += 8;
		else if (!path && !strncmp(line, "0::", 3))
			colon = line + 3;
		else
			continue;
		free(path);
		path = strndup(colon, strcspn(colon, "\n"));
	}
	free(line);
	if (file)
		fclose(file);
	return path ? path : strdup("");
}

static bool same_domain(const struct est_proc *a, const struct est_proc *b, unsigned int policy)
{
	switch (policy) {
	case VMDEDUP_ESTIMATE_HOST:
		return true;
	case VMDEDUP_ESTIMATE_UID:
		return a->guest.uid == b->guest.uid;
	case VMDEDUP_ESTIMATE_CGROUP:
		return !strcmp(a->guest.cgroup, b->guest.cgroup);
	}
	return a == b;
}

static void find_domains(struct vmdedup_estimate *est, size_t index)
{
	struct est_proc *proc = &est->procs[index];
	unsigned int policy;
	size_t i;

	for (policy = 0; policy < VMDEDUP_ESTIMATE_POLICY_NR; policy++) {
		for (i = 0; i < index; i++) {
			if (same_domain(proc, &est->procs[i], policy))
				break;
		}
		proc->domain[policy] = i;
	}
}

static int read_proc(const struct vmdedup_estimate *est, pid_t pid, struct est_proc *proc)
{
	FILE *file;
	int err, fd;

	memset(proc, 0, sizeof(*proc));
	proc->guest.pid = pid;
	err = read_uid(est, pid, &proc->guest.uid);
	if (err)
		return err;
	file = open_file(est, pid, "smaps", &err);
	if (!file)
		return err;
	err = est_smaps_read(file, &proc->mappings);
	fclose(file);
	if (err)
		return err;
	/* The permission to read it is asked for here, not in the middle. */
	fd = est_open(est, pid, "mem");
	if (fd >= 0)
		close(fd);
	if (!proc->mappings.count)
		err = -ESRCH;
	else if (fd < 0)
		err = fd;
	if (!err)
		proc->guest.cgroup = read_cgroup(est, pid);
	if (!err && !proc->guest.cgroup)
		err = -ENOMEM;
	if (err)
		est_smaps_free(&proc->mappings);
	return err == -EPERM ? -EACCES : err;
}

int vmdedup_estimate_add(struct vmdedup_estimate *est, pid_t pid)
{
	struct est_proc *more = est->procs;
	size_t i;
	int err;

	for (i = 0; i < est->nr_procs; i++) {
		if (est->procs[i].guest.pid == pid)
			return -EEXIST;
	}
	/* Grow at each power of two. */
	if (!(est->nr_procs & (est->nr_procs - 1))) {
		more = reallocarray(more, est->nr_procs ? 2 * est->nr_procs : 1, sizeof(*more));
		if (!more)
			return -ENOMEM;
		est->procs = more;
	}
	err = read_proc(est, pid, &more[est->nr_procs]);
	if (err)
		return err;
	find_domains(est, est->nr_procs);
	est->nr_procs++;
	return 0;
}

size_t est_add_huge(struct vmdedup_estimate *est, uint32_t proc)
{
	struct est_huge *more = est->huge;

	if (!(est->nr_huge & (est->nr_huge - 1))) {
		more = reallocarray(more, est->nr_huge ? 2 * est->nr_huge : 1, sizeof(*more));
		if (!more)
			return 0;
		est->huge = more;
	}
	more[est->nr_huge] = (struct est_huge){ .proc = proc };
	return ++est->nr_huge;
}

static bool is_zero(const unsigned char *content)
{
	return !content[0] && !memcmp(content, content + 1, EST_PAGE - 1);
}

static uint64_t frame_of(const struct est_page *page)
{
	if (page->huge)
		return EST_HUGE | (page->huge - 1);
	if (page->fixed)
		return EST_FIXED | page->pfn;
	if (page->alone)
		return 0;
	return page->pfn ? page->pfn : EST_SHARED;
}

/* Zeroes go to the zero page, of which there is one: no need to know where. */
static int add_zero(struct vmdedup_estimate *est, const struct est_page *page)
{
	struct est_proc *proc = &est->procs[page->proc];
	uint64_t frame = frame_of(page);

	/* Without frame numbers: nearly always it is the zero page then. */
	if (page->zero_page || frame == EST_SHARED) {
		proc->guest.zero_page++;
		return 0;
	}
	proc->guest.zero++;
	if (page->huge)
		est->huge[page->huge - 1].zero++;
	if (page->huge || !frame) {
		proc->zero_own++;
		return 0;
	}
	/* Of such frames a sample is kept, by their number. */
	return est_table_add(&est->table, XXH3_64bits_withSeed(&page->pfn, sizeof(page->pfn),
			     est->options.seed), EST_ZERO | frame, page->proc);
}

uint64_t est_hash(const struct vmdedup_estimate *est, const void *content)
{
	return XXH3_64bits_withSeed(content, EST_PAGE, est->options.seed);
}

int est_add_page(struct vmdedup_estimate *est, const struct est_page *page,
		 const void *content)
{
	est->procs[page->proc].guest.resident++;
	if (page->zero_page || is_zero(content))
		return add_zero(est, page);
	return est_table_add(&est->table, est_hash(est, content), frame_of(page), page->proc);
}

int vmdedup_estimate_read(struct vmdedup_estimate *est,
			  vmdedup_estimate_progress_t progress, void *data)
{
	return est_read(est, progress, data);
}

int vmdedup_estimate_result(struct vmdedup_estimate *est,
			    const struct vmdedup_estimate_result **result)
{
	int err = est_count(est);

	if (!err)
		*result = &est->result;
	return err;
}

const char *vmdedup_estimate_policy_name(unsigned int policy)
{
	switch (policy) {
#define POLICY_NAME(NAME, name, text) case VMDEDUP_ESTIMATE_##NAME: return #name;
	VMDEDUP_ESTIMATE_POLICIES(POLICY_NAME)
#undef POLICY_NAME
	}
	return NULL;
}
