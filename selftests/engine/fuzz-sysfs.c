// SPDX-License-Identifier: GPL-2.0
/* The tunables, written to with numbers, words and rubbish. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"

#define MOST (2 * PG)
#define THREADS 8

static const struct {
	const char *name;
	long long lo, hi;
} tunables[] = {
	{ "run", 0, 2 },
	{ "scan_rate", 0, 1000000000 },
	{ "target_pass_secs", 1, 86400 },
	{ "huge_split_pages", 1, 512 },
	{ "merge_run_pages", 1, 512 },
	{ "cpu_limit", 0, 100 },
	{ "stats_interval_ms", 100, 3600000 },
	{ "discover", 0, 1 },
	[THREADS] = { "threads", 0, 64 },
	/* The last two: one of words, and one that cannot be written. */
	{ "domain_policy", 0, 0 },
	{ "stats/pages_shared", 0, 0 },
};

#define NR (sizeof(tunables) / sizeof(*tunables))
#define POLICY (NR - 2)

/* Up to where: where there are many threads all else is slow. */
static long long high(struct fz *z, unsigned int which)
{
	return which == THREADS && !fz_rarely(z, 16) ? 4 : tunables[which].hi;
}

static size_t fill(struct fz *z, char *text, unsigned int which)
{
	static const char * const words[] = {
		"host", "uid", "cgroup", "process", "uid\n", "process\n", "UID",
		"", "\n", "0", "1", "2", "-1", "+1", "0x1", "010", " 1", "1 ", "1x",
		"4294967295", "4294967296", "18446744073709551616", "0x", "-",
		"-18446744073709551615", "1\n\n", "1\n2\n",
	};
	size_t bytes;

	switch (fz_pick(z, 4)) {
	case 0:
		return sprintf(text, "%s", words[fz_pick(z, sizeof(words) /
							 sizeof(*words))]);
	case 1:
		if (which >= POLICY)
			return sprintf(text, "%s", words[fz_pick(z, 6)]);
		return sprintf(text, "%lld\n", tunables[which].lo +
			       (long long)fz_pick(z, high(z, which) + 1));
	case 2:
		return sprintf(text, "%lld", high(z, which) + 2 -
			       (long long)fz_pick(z, 4));
	}
	bytes = fz_pick(z, fz_rarely(z, 8) ? MOST : 12);
	for (size_t i = 0; i < bytes; i++)
		text[i] = fz_pick(z, 3) ? '0' + fz_pick(z, 10) : rnd(&z->dice);
	return bytes;
}

/* Whatever was written, what is there is one that may be. */
static void check_value(struct fz *z, unsigned int which)
{
	long long value;

	if (which >= POLICY)
		return;
	value = vd_get(tunables[which].name);
	if (value < tunables[which].lo || value > tunables[which].hi)
		fz_complain(z, "%s is %lld now", tunables[which].name, value);
}

void fz_sysfs(struct fz *z)
{
	unsigned int which = fz_pick(z, NR);
	char path[PATH_MAX], text[MOST + 32];
	size_t bytes = fill(z, text, which);
	ssize_t n;
	int fd;

	z->kind = FZ_SYSFS;
	snprintf(path, sizeof(path), VD_SYSFS "%s", tunables[which].name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	z->err = fd < 0 ? errno : 0;
	if (fd < 0) {
		snprintf(z->did, sizeof(z->did), "open %s: %d",
			 tunables[which].name, z->err);
		if (z->err != EACCES || (fz_world.admin && which != NR - 1))
			fz_complain(z, "not in the contract");
		return;
	}
	n = write(fd, text, bytes);
	z->err = n < 0 ? errno : 0;
	close(fd);
	snprintf(z->did, sizeof(z->did), "%zu bytes '%.*s' to %s: %d", bytes,
		 bytes < 24 ? (int)bytes : 24, text, tunables[which].name, z->err);
	if (!fz_world.admin)
		fz_complain(z, "nobody could open it");
	/* The one that cannot be written has nothing that could be called. */
	if (z->err && z->err != EINVAL && !(which == 0 && z->err == ENOMEM) &&
	    !(which == NR - 1 && z->err == EIO))
		fz_complain(z, "not in the contract");
	if (n >= 0 && (size_t)n != (bytes < PG ? bytes : PG))
		fz_complain(z, "%zd bytes taken", n);
	if (which == NR - 1 && bytes && !z->err)
		fz_complain(z, "could be written");
	check_value(z, which);
}
