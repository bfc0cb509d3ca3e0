// SPDX-License-Identifier: GPL-2.0
/* /proc/PID/maps */
#include <stdlib.h>

#include "fuzz.h"
#include "proc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mapping *mappings;
	size_t i, count;
	FILE *file;

	if (!size)
		return 0;
	file = fmemopen((void *)data, size, "r");
	MUST(file);
	if (proc_parse_maps(file, &mappings, &count))
		MUST(!mappings && !count);
	for (i = 0; i < count; i++)
		MUST(mappings[i].start < mappings[i].end);
	free(mappings);
	fclose(file);
	return 0;
}
