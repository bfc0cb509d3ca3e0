/* SPDX-License-Identifier: LGPL-2.1 */
/*
 * libvmdedup - talk to the vmdedup kernel module
 *
 * The library neither prints nor exits and keeps no state outside of the
 * context. A context must not be used by two threads at once; different
 * contexts are independent.
 *
 * Functions return 0 or a negative errno. What an errno of the device means is
 * written at the head of <linux/vmdedup.h>; the vmdedup_explain_*() functions
 * put it in words.
 *
 * The structs of <linux/vmdedup.h> grow at their end. The caller sets @size to
 * what it was compiled with, for which VMDEDUP_INIT() is there:
 *
 *	struct vmdedup_query query = VMDEDUP_INIT(query);
 */
#ifndef _VMDEDUP_VMDEDUP_H
#define _VMDEDUP_VMDEDUP_H

#include <stddef.h>
#include <stdint.h>

#include <linux/vmdedup.h>

#include "netlink.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The initializer of an ioctl struct called @name. */
#define VMDEDUP_INIT(name) { .size = sizeof(name) }

/* Long enough for every sentence of vmdedup_explain_*(). */
#define VMDEDUP_EXPLAIN_MAX	320

/**
 * struct vmdedup_value - one number from sysfs
 * @name: name of the file
 * @value: what it holds
 */
struct vmdedup_value {
	const char *name;
	uint64_t value;
};

/**
 * struct vmdedup_values - numbers from one sysfs directory
 * @count: entries in @values
 * @values: sorted by name
 */
struct vmdedup_values {
	size_t count;
	struct vmdedup_value *values;
};

/**
 * vmdedup_new() - make a context
 * @ctxp: out: the context, to be released by vmdedup_free()
 *
 * Opens nothing: the sysfs functions need no device and no privilege.
 * vmdedup_open() is for what the device does, vmdedup_connect() for netlink.
 *
 * Return: 0 or -ENOMEM.
 */
int vmdedup_new(struct vmdedup_ctx **ctxp);

/**
 * vmdedup_free() - close the device and netlink, and release a context
 * @ctx: the context, or NULL
 *
 * Regions that were registered through it without VMDEDUP_REGISTER_PERSIST go
 * away.
 */
void vmdedup_free(struct vmdedup_ctx *ctx);

/**
 * vmdedup_open() - open /dev/vmdedup
 * @ctx: the context
 *
 * Does nothing when it is open already.
 *
 * Return: 0 or what open(2) says; see vmdedup_explain_open().
 */
int vmdedup_open(struct vmdedup_ctx *ctx);

/**
 * vmdedup_region_register() - allow a page range to be merged
 * @ctx: the context, opened
 * @reg: in and out, see <linux/vmdedup.h>
 *
 * Return: 0; -EBADF when the device is not open; or the errno of the call.
 */
int vmdedup_region_register(struct vmdedup_ctx *ctx, struct vmdedup_register *reg);

/**
 * vmdedup_region_unregister() - forget a region
 * @ctx: the context, opened
 * @unreg: in and out, see <linux/vmdedup.h>
 *
 * With VMDEDUP_UNREGISTER_UNMERGE it takes as long as copying the merged
 * memory of the region does.
 *
 * Return: 0; -EBADF when the device is not open; or the errno of the call.
 */
int vmdedup_region_unregister(struct vmdedup_ctx *ctx, struct vmdedup_unregister *unreg);

/**
 * vmdedup_region_query() - what is known of one region
 * @ctx: the context, opened
 * @query: in and out, see <linux/vmdedup.h>
 *
 * Return: 0; -EBADF when the device is not open; or the errno of the call.
 */
int vmdedup_region_query(struct vmdedup_ctx *ctx, struct vmdedup_query *query);

/**
 * vmdedup_region_next() - step through the regions
 * @ctx: the context, opened
 * @query: in: @region_id is 0 for the first call, then left alone;
 *	VMDEDUP_QUERY_NEXT is set for the caller; out: the next region
 *
 * Sees each region that exists from the first call to the last exactly once,
 * in the order of the ids.
 *
 * Return: 0; -ENOENT after the last region; -EBADF when the device is not
 * open; or the errno of the call.
 */
int vmdedup_region_next(struct vmdedup_ctx *ctx, struct vmdedup_query *query);

/**
 * vmdedup_merge_now() - scan and merge, and wait for it
 * @ctx: the context, opened
 * @merge: in and out, see <linux/vmdedup.h>
 *
 * Return: 0; -EBADF when the device is not open; or the errno of the call.
 */
int vmdedup_merge_now(struct vmdedup_ctx *ctx, struct vmdedup_merge *merge);

/**
 * vmdedup_set_sysfs_dir() - read another directory than the module's
 * @ctx: the context
 * @dir: path; the default is /sys/class/misc/vmdedup
 *
 * Return: 0 or -ENOMEM (the directory stays as it was).
 */
int vmdedup_set_sysfs_dir(struct vmdedup_ctx *ctx, const char *dir);

/**
 * vmdedup_read_tunables() - the tunables that are numbers
 * @ctx: the context
 * @values: out: to be released by vmdedup_values_free(); empty on an error
 *
 * Files that do not hold exactly one number, or may not be read, are left out.
 *
 * Return: 0; -ENOENT when the module is not loaded; or another errno.
 */
int vmdedup_read_tunables(struct vmdedup_ctx *ctx, struct vmdedup_values *values);

/**
 * vmdedup_read_stats() - all counters there are
 * @ctx: the context
 * @values: out: to be released by vmdedup_values_free(); empty on an error
 *
 * The counters are read one after another, not at one instant.
 *
 * Return: 0; -ENOENT when the module is not loaded; or another errno.
 */
int vmdedup_read_stats(struct vmdedup_ctx *ctx, struct vmdedup_values *values);

/**
 * vmdedup_values_get() - look a number up
 * @values: where
 * @name: name of the file
 * @value: out: the number; untouched when there is none
 *
 * Return: 0 or -ENOENT.
 */
int vmdedup_values_get(const struct vmdedup_values *values, const char *name, uint64_t *value);

/**
 * vmdedup_values_free() - release what a reader filled in
 * @values: the numbers; empty afterwards
 */
void vmdedup_values_free(struct vmdedup_values *values);

/**
 * vmdedup_skip_name() - the name of a reason why a page was not merged
 * @reason: enum vmdedup_skip
 *
 * Return: the name as in sysfs (skip_<name>), or NULL for a reason that this
 * version does not know.
 */
const char *vmdedup_skip_name(uint32_t reason);

/**
 * vmdedup_skip_text() - a reason why a page was not merged, in words
 * @reason: enum vmdedup_skip
 *
 * Return: words for a person, or NULL for a reason that this version does not
 * know.
 */
const char *vmdedup_skip_text(uint32_t reason);

/**
 * vmdedup_explain_open() - why opening failed and what to do
 * @err: what vmdedup_open() or a sysfs reader returned
 * @buf: where to write, VMDEDUP_EXPLAIN_MAX bytes are always enough
 * @len: size of @buf
 *
 * Return: @buf, terminated and without a full stop or a newline.
 */
const char *vmdedup_explain_open(int err, char *buf, size_t len);

/**
 * vmdedup_explain_register() - why registering failed and what to do
 * @err: what vmdedup_region_register() returned
 * @reg: the struct as the call left it
 * @buf: where to write, VMDEDUP_EXPLAIN_MAX bytes are always enough
 * @len: size of @buf
 *
 * Return: @buf, terminated and without a full stop or a newline.
 */
const char *vmdedup_explain_register(int err, const struct vmdedup_register *reg,
				     char *buf, size_t len);

/**
 * vmdedup_explain_unregister() - why unregistering failed and what to do
 * @err: what vmdedup_region_unregister() returned
 * @unreg: the struct as the call left it
 * @buf: where to write, VMDEDUP_EXPLAIN_MAX bytes are always enough
 * @len: size of @buf
 *
 * Return: @buf, terminated and without a full stop or a newline.
 */
const char *vmdedup_explain_unregister(int err, const struct vmdedup_unregister *unreg,
				       char *buf, size_t len);

/**
 * vmdedup_explain_query() - why a query failed and what to do
 * @err: what vmdedup_region_query() or vmdedup_region_next() returned
 * @query: the struct as the call left it
 * @buf: where to write, VMDEDUP_EXPLAIN_MAX bytes are always enough
 * @len: size of @buf
 *
 * Return: @buf, terminated and without a full stop or a newline.
 */
const char *vmdedup_explain_query(int err, const struct vmdedup_query *query,
				  char *buf, size_t len);

/**
 * vmdedup_explain_merge() - why merging failed and what to do
 * @err: what vmdedup_merge_now() returned
 * @merge: the struct as the call left it
 * @buf: where to write, VMDEDUP_EXPLAIN_MAX bytes are always enough
 * @len: size of @buf
 *
 * Return: @buf, terminated and without a full stop or a newline.
 */
const char *vmdedup_explain_merge(int err, const struct vmdedup_merge *merge,
				  char *buf, size_t len);

#ifdef __cplusplus
}
#endif

#endif /* _VMDEDUP_VMDEDUP_H */
