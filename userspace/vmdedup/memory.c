// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "proc.h"

/**
 * struct vma - what is known so far of the mapping whose lines are being read
 * @counts: it is writable
 * @shared: MAP_SHARED
 * @file: it has an inode
 * @hugetlb: flag ht
 * @locked: flag lo
 * @uffd: flag um, uw or ui
 * @present: bytes
 */
struct vma {
	bool counts;
	bool shared;
	bool file;
	bool hugetlb;
	bool locked;
	bool uffd;
	uint64_t present;
};

static void add(struct memory *memory, const struct vma *vma)
{
	if (!vma->counts)
		return;
	if (vma->hugetlb) {
		memory->hugetlb += vma->present;
	} else if (vma->shared) {
		memory->shared += vma->present;
	} else if (vma->file) {
		memory->file += vma->present;
	} else {
		memory->anon += vma->present;
		if (vma->locked)
			memory->locked += vma->present;
		if (vma->uffd)
			memory->uffd += vma->present;
	}
}

/* "START-END PERMS OFFSET DEVICE INODE PATH" */
static bool has_inode(const char *line)
{
	int i;

	for (i = 0; line && i < 4; i++) {
		line = strchr(line, ' ');
		if (line)
			line += strspn(line, " ");
	}
	return line && strtoull(line, NULL, 10);
}

static void take_flags(struct vma *vma, char *flags)
{
	char *flag, *rest = flags;

	while ((flag = strsep(&rest, " \n"))) {
		vma->hugetlb |= !strcmp(flag, "ht");
		vma->locked |= !strcmp(flag, "lo");
		vma->uffd |= !strcmp(flag, "um") || !strcmp(flag, "uw") || !strcmp(flag, "ui");
	}
}

static void take_line(struct vma *vma, char *line)
{
	/* Rss does not count hugetlbfs. */
	static const char *const sizes[] = { "Rss:", "Shared_Hugetlb:", "Private_Hugetlb:" };
	static const char flags[] = "VmFlags:";
	uint64_t kib;
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		if (strncmp(line, sizes[i], strlen(sizes[i])))
			continue;
		kib = strtoull(line + strlen(sizes[i]), NULL, 10);
		if (kib < UINT64_MAX >> 20)
			vma->present += kib << 10;
	}
	if (!strncmp(line, flags, strlen(flags)))
		take_flags(vma, line + strlen(flags));
}

int memory_parse(FILE *file, struct memory *memory)
{
	struct vma vma = { .counts = false };
	struct mapping mapping;
	char *line = NULL;
	size_t size = 0;
	int err;

	memset(memory, 0, sizeof(*memory));
	while (getline(&line, &size, file) >= 0) {
		if (!proc_parse_mapping(line, &mapping)) {
			take_line(&vma, line);
			continue;
		}
		add(memory, &vma);
		vma = (struct vma){
			.counts = mapping.writable,
			.shared = mapping.shared,
			.file = has_inode(line),
		};
	}
	add(memory, &vma);
	err = feof(file) ? 0 : -EIO;
	free(line);
	return err;
}

int memory_read(const char *proc, pid_t pid, struct memory *memory)
{
	FILE *file = proc_open(proc, pid, "smaps");
	int err;

	memset(memory, 0, sizeof(*memory));
	if (!file)
		return -errno;
	err = memory_parse(file, memory);
	fclose(file);
	return err;
}
