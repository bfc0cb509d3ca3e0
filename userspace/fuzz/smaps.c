// SPDX-License-Identifier: GPL-2.0
/* /proc/PID/smaps */
#include "estimate_private.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct est_mappings list;
	const struct est_mapping *mapping;
	FILE *file;
	size_t i;

	if (!size)
		return 0;
	file = fmemopen((void *)data, size, "r");
	MUST(file);
	if (est_smaps_read(file, &list))
		MUST(!list.mappings && !list.count);
	for (i = 0; i < list.count; i++) {
		mapping = &list.mappings[i];
		MUST(mapping->start < mapping->end && !(mapping->start % EST_PAGE));
		MUST(mapping->reason < VMDEDUP_SKIP_NR || mapping->reason == VMDEDUP_SKIP_NONE);
	}
	est_smaps_free(&list);
	fclose(file);
	return 0;
}
