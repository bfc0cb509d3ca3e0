// SPDX-License-Identifier: GPL-2.0
/* Lines of vmdedup.conf. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "tunable.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	struct vmdedup_tunable tunable;

	switch (vmdedup_tunable_parse(text, &tunable)) {
	case VMDEDUP_TUNABLE_ASSIGNMENT:
		MUST(*tunable.value && !strpbrk(tunable.value, " /\n\t=#"));
		/* fall through */
	case VMDEDUP_TUNABLE_NAME:
		MUST(*tunable.name && *tunable.name != '.');
		MUST(!strpbrk(tunable.name, " /\n\t=#"));
		break;
	default:
		break;
	}
	free(text);
	return 0;
}
