// SPDX-License-Identifier: LGPL-2.1
/* Processes that hold a KVM virtual machine. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "estimate_private.h"

#define VM_FILE	"anon_inode:kvm-vm"

/* Returns 1 if the process has such a file open, 0 if not. */
static int holds_vm(int proc, const char *pid)
{
	char path[32], link[sizeof(VM_FILE) + 1];
	struct dirent *entry;
	int fd, found = 0;
	ssize_t len;
	DIR *dir;

	snprintf(path, sizeof(path), "%.20s/fd", pid);
	fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	while (!found && (entry = readdir(dir))) {
		len = readlinkat(fd, entry->d_name, link, sizeof(link));
		found = len == sizeof(VM_FILE) - 1 && !memcmp(link, VM_FILE, len);
	}
	closedir(dir);
	return found;
}

static int add_if_guest(struct vmdedup_estimate *est, int proc, const char *pid, size_t *denied)
{
	int ret = holds_vm(proc, pid);

	if (ret > 0)
		ret = vmdedup_estimate_add(est, atoi(pid));
	/* It has ended meanwhile, or was asked for already. */
	if (ret == -ESRCH || ret == -EEXIST)
		ret = 0;
	if (ret && ret != -ENOMEM) {
		++*denied;
		ret = 0;
	}
	return ret;
}

static int is_process(const struct dirent *entry)
{
	return isdigit((unsigned char)entry->d_name[0]);
}

static int by_pid(const struct dirent **a, const struct dirent **b)
{
	return atoi((*a)->d_name) - atoi((*b)->d_name);
}

int vmdedup_estimate_add_guests(struct vmdedup_estimate *est, size_t *denied)
{
	struct dirent **entries;
	int i, nr, proc, err = 0;

	*denied = 0;
	proc = open(est->options.proc_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0)
		return -errno;
	nr = scandirat(proc, ".", &entries, is_process, by_pid);
	if (nr < 0) {
		err = -errno;
		close(proc);
		return err;
	}
	for (i = 0; i < nr; i++) {
		if (!err)
			err = add_if_guest(est, proc, entries[i]->d_name, denied);
		free(entries[i]);
	}
	free(entries);
	close(proc);
	return err;
}
