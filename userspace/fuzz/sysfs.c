// SPDX-License-Identifier: GPL-2.0
/* Values in sysfs. */
#include <string.h>

#include "fuzz.h"
#include "tunable.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmdedup_tunables tunables;
	struct vmdedup_values values;
	struct vmdedup_ctx *ctx;

	fuzz_write("value", data, size);
	fuzz_write("stats/value", data, size);
	MUST(!vmdedup_new(&ctx));
	MUST(!vmdedup_set_sysfs_dir(ctx, fuzz_dir()));
	MUST(!vmdedup_tunables_read(ctx, &tunables));
	MUST(tunables.count <= 1);
	if (tunables.count)
		MUST(*tunables.tunables->value && !strpbrk(tunables.tunables->value, " []\n"));
	vmdedup_tunables_free(&tunables);
	MUST(!vmdedup_read_stats(ctx, &values));
	MUST(values.count <= 1);
	vmdedup_values_free(&values);
	vmdedup_free(ctx);
	return 0;
}
