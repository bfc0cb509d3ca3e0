// SPDX-License-Identifier: LGPL-2.1
/* The errno contract at the head of <linux/vmdedup.h>, in words. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vmdedup.h"

static const char *say(char *buf, size_t len, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static const char *say(char *buf, size_t len, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(buf, len, format, args);
	va_end(args);
	return buf;
}

/* What any call may return. */
static const char *explain_any(int err, char *buf, size_t len)
{
	switch (-err) {
	case EBADF:
		return say(buf, len, "the device is not open");
	case ENODEV:
		return say(buf, len, "the vmdedup module is being unloaded: "
			   "load it again with modprobe vmdedup");
	case E2BIG:
	case ENOTTY:
		return say(buf, len, "the loaded vmdedup module is older than this program "
			   "and does not know the request: update and reload it");
	case EINVAL:
		return say(buf, len, "the vmdedup module refuses the request as malformed: "
			   "the module and this program may not be of the same version");
	case EFAULT:
		return say(buf, len, "the vmdedup module could not access the request "
			   "(a bug in the calling program)");
	case ENOMEM:
		return say(buf, len, "out of memory: free some memory and try again");
	case EINTR:
		return say(buf, len, "interrupted by a signal before anything was done");
	}
	/* strerrordesc_np() has no state, which strerror() has. */
	if (strerrordesc_np(-err))
		return say(buf, len, "%s", strerrordesc_np(-err));
	return say(buf, len, "unknown error %d", err);
}

const char *vmdedup_explain_open(int err, char *buf, size_t len)
{
	switch (-err) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return say(buf, len, "the vmdedup module is not loaded: modprobe vmdedup");
	case EACCES:
	case EPERM:
		return say(buf, len, "no permission to open /dev/" VMDEDUP_DEVICE_NAME
			   ": run as root or as a member of the device's group");
	}
	return explain_any(err, buf, len);
}

/* What to do so that the next guest is not refused; NULL: nothing known. */
static const char *remedy(uint32_t reason)
{
	switch (reason) {
	case VMDEDUP_SKIP_SHARED:
	case VMDEDUP_SKIP_FILE:
		return "give the guest private anonymous memory (QEMU's default; "
		       "no share=on, no memory-backend-memfd or -file)";
	case VMDEDUP_SKIP_HUGETLB:
		return "give the guest ordinary memory (transparent huge pages can be merged)";
	case VMDEDUP_SKIP_LOCKED:
		return "start the guest without locked memory (QEMU's -overcommit mem-lock=off)";
	case VMDEDUP_SKIP_UFFD:
		return "try again when the migration or snapshot that uses it is over";
	}
	return NULL;
}

static const char *explain_refusal(const struct vmdedup_register *reg, char *buf, size_t len)
{
	const char *text = vmdedup_skip_text(reg->reason);
	const char *what_to_do = remedy(reg->reason);

	if (reg->reason == VMDEDUP_SKIP_NONE)
		return say(buf, len, "none of it can be merged");
	if (!text)
		return say(buf, len, "none of it can be merged (reason %" PRIu32
			   ", unknown to this version)", reg->reason);
	if (!what_to_do)
		return say(buf, len, "none of it can be merged: %s", text);
	return say(buf, len, "none of it can be merged: %s; %s", text, what_to_do);
}

static const char *explain_range(const struct vmdedup_register *reg, char *buf, size_t len)
{
	unsigned long page = sysconf(_SC_PAGESIZE);

	if (reg->pid < 0)
		return say(buf, len, "%" PRId32 " is not a process id", reg->pid);
	if (reg->flags & VMDEDUP_REGISTER_ALL && (reg->start || reg->length))
		return say(buf, len, "a range makes no sense with the whole address space");
	if (reg->start % page)
		return say(buf, len, "the start, 0x%" PRIx64 ", is not a multiple of the page "
			   "size (%lu)", (uint64_t)reg->start, page);
	if (reg->length % page)
		return say(buf, len, "the length, %" PRIu64 ", is not a multiple of the page "
			   "size (%lu)", (uint64_t)reg->length, page);
	if (!reg->length && !(reg->flags & VMDEDUP_REGISTER_ALL))
		return say(buf, len, "the range is empty");
	return explain_any(-EINVAL, buf, len);
}

const char *vmdedup_explain_register(int err, const struct vmdedup_register *reg,
				     char *buf, size_t len)
{
	switch (-err) {
	case EINVAL:
		return explain_range(reg, buf, len);
	case EOVERFLOW:
		return say(buf, len, "the range reaches beyond the end of user space: "
			   "take it from /proc/PID/maps");
	case ESRCH:
		return say(buf, len, "no process %" PRId32 ", or it has no memory of its own "
			   "(a kernel thread or a zombie)", reg->pid);
	case EPERM:
		return say(buf, len, "no permission over process %" PRId32 ": "
			   "run as root (CAP_SYS_PTRACE is needed)", reg->pid);
	case EFAULT:
		return say(buf, len, "nothing is mapped in the range: see /proc/PID/maps");
	case EOPNOTSUPP:
		return explain_refusal(reg, buf, len);
	case EEXIST:
		return say(buf, len, "overlaps region %" PRIu64 " in part: "
			   "unregister that one first", (uint64_t)reg->region_id);
	case EDQUOT:
		return say(buf, len, "too many regions of this user: unregister some "
			   "first, or raise max_regions");
	case ENOSPC:
		return say(buf, len, "too many regions: unregister some first");
	}
	return explain_any(err, buf, len);
}

/* What unregister, query and merge have in common. */
static const char *explain_region(int err, uint64_t id, char *buf, size_t len)
{
	switch (-err) {
	case ENOENT:
		return say(buf, len, "no region %" PRIu64 ": "
			   "vmdedup status --json lists those there are", id);
	case EPERM:
		return say(buf, len, "no permission over region %" PRIu64 ": "
			   "run as root (CAP_SYS_PTRACE is needed)", id);
	}
	return explain_any(err, buf, len);
}

const char *vmdedup_explain_unregister(int err, const struct vmdedup_unregister *unreg,
				       char *buf, size_t len)
{
	if (err == -ENOMEM && unreg->flags & VMDEDUP_UNREGISTER_UNMERGE)
		return say(buf, len, "not enough free memory for private copies: "
			   "the region stays registered; free some memory or leave its pages "
			   "merged");
	return explain_region(err, unreg->region_id, buf, len);
}

const char *vmdedup_explain_query(int err, const struct vmdedup_query *query,
				  char *buf, size_t len)
{
	if (err == -ENOENT && query->flags & VMDEDUP_QUERY_NEXT)
		return say(buf, len, "no more regions");
	return explain_region(err, query->region_id, buf, len);
}

const char *vmdedup_explain_merge(int err, const struct vmdedup_merge *merge,
				  char *buf, size_t len)
{
	return explain_region(err, merge->region_id, buf, len);
}

const char *vmdedup_explain_connect(int err, char *buf, size_t len)
{
	switch (-err) {
	case ENOENT:
		return say(buf, len, "the vmdedup module is not loaded: modprobe vmdedup");
	case EPROTONOSUPPORT:
		return say(buf, len, "this kernel has no generic netlink");
	case EPERM:
		return say(buf, len, "no permission to use netlink: run as root");
	}
	return explain_any(err, buf, len);
}

const char *vmdedup_explain_request(const struct vmdedup_ctx *ctx, int err,
				    char *buf, size_t len)
{
	const char *text = vmdedup_kernel_text(ctx);

	switch (-err) {
	case EPERM:
	case EACCES:
		return say(buf, len, "no permission: run as root (CAP_NET_ADMIN is needed)");
	case EBADMSG:
		return say(buf, len, "the answer of the vmdedup module makes no sense: the "
			   "module and this program may not be of the same version");
	case ETIMEDOUT:
		return say(buf, len, "the vmdedup module did not answer: see dmesg");
	case ENOTCONN:
		return say(buf, len, "not connected to the vmdedup module");
	case EOVERFLOW:
		return say(buf, len, "there are more than this program can list");
	case ENOENT:
		/* The family has gone, when nothing is said. */
		if (!*text)
			return say(buf, len, "there is none, or the vmdedup module was unloaded");
	}
	if (*text)
		return say(buf, len, "%s", text);
	if (err == -EOPNOTSUPP)
		return say(buf, len, "the loaded vmdedup module is older than this program "
			   "and does not know the request: update and reload it");
	return explain_any(err, buf, len);
}
