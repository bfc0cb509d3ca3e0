// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "reload.h"
#include "util.h"

int module_open(void)
{
	const char *path = getenv("VMDEDUP_MODULE");
	int fd;

	if (!path)
		return -ENOENT;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int module_unload(void)
{
	return syscall(SYS_delete_module, "vmdedup", O_NONBLOCK) ? -errno : 0;
}

int module_load(int module)
{
	if (syscall(SYS_finit_module, module, "", 0))
		return -errno;
	for (int i = 0; i < 500 && access(VD_DEV, F_OK); i++)
		usleep(10000);
	return access(VD_DEV, F_OK) ? -ENOENT : 0;
}
