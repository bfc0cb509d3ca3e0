// SPDX-License-Identifier: GPL-2.0
/* Numbers, sizes and ranges of the command line. */
#include <limits.h>
#include <stdlib.h>

#include "fuzz.h"
#include "parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);
	uint64_t number = 7, length = 7;
	pid_t pid = 7;

	MUST(parse_number(text, 1000, &number) ? number <= 1000 : number == 7);
	MUST(parse_pid(text, &pid) ? pid > 0 : pid == 7);
	number = 7;
	MUST(parse_size(text, &number) || number == 7);
	number = 7;
	MUST(parse_range(text, &number, &length) ? length > 0 : number == 7 && length == 7);
	free(text);
	return 0;
}
