// SPDX-License-Identifier: GPL-2.0
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

static char dir[64];

char *fuzz_text(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	MUST(text);
	memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void remove_dir(void)
{
	nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

const char *fuzz_dir(void)
{
	if (!*dir) {
		/* In memory, where there is such a place. */
		strcpy(dir, "/dev/shm/vmdedup-fuzz.XXXXXX");
		if (!mkdtemp(dir)) {
			strcpy(dir, "/tmp/vmdedup-fuzz.XXXXXX");
			MUST(mkdtemp(dir));
		}
		atexit(remove_dir);
	}
	return dir;
}

void fuzz_write(const char *path, const void *data, size_t size)
{
	char full[256];
	char *slash;
	FILE *file;

	snprintf(full, sizeof(full), "%s/%s", fuzz_dir(), path);
	for (slash = full + strlen(dir) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(full, 0700);
		*slash = '/';
	}
	file = fopen(full, "w");
	MUST(file);
	MUST(fwrite(data, 1, size, file) == size);
	fclose(file);
}
