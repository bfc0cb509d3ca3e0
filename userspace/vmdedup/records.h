/* SPDX-License-Identifier: GPL-2.0 */
/* What the kernel tells over netlink, as JSON: keys as the attributes. */
#ifndef _RECORDS_H
#define _RECORDS_H

#include "cli.h"
#include "output.h"

struct json_object *json_stats(const struct vmdedup_stats *stats);

/* With "name": that of the VM, or the command's. */
struct json_object *json_guest(const struct cli *cli, const struct vmdedup_guest *guest);

struct json_object *json_region(const struct vmdedup_region *region);

/* With "type" by its name, and without what makes no sense for it. */
struct json_object *json_event(const struct vmdedup_event *event);

#endif /* _RECORDS_H */
