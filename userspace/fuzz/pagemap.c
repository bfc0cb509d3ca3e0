// SPDX-License-Identifier: GPL-2.0
/* /proc/PID/pagemap, kpageflags and mem: the input is what they hold. */
#include <string.h>

#include "estimate_private.h"
#include "fuzz.h"

#define PAGES	(3 * 512 + 7)
#define START	0x1ff000UL

static const char smaps[] =
	"1ff000-806000 rw-p 00000000 00:00 0 \n"
	"Rss:                 100 kB\n"
	"AnonHugePages:      2048 kB\n"
	"VmFlags: rd wr mr mw me ac \n";

/* An entry each 3 bytes: its upper bits, and the lower ones of the frame. */
static uint64_t entry(const uint8_t *data, size_t size, size_t i)
{
	uint64_t upper, lower;

	if (size < 3)
		return 0;
	i = i * 3 % (size - 2);
	upper = data[i];
	lower = data[i + 1] | data[i + 2] << 8;
	/* Runs of frames, as huge pages are. */
	return upper << 56 | (lower & 0x1000 ? 512 + i / 3 : lower);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint64_t pagemap[START / EST_PAGE + PAGES], flags[2048];
	static unsigned char mem[START + PAGES * EST_PAGE];
	struct vmdedup_estimate_options options = {
		.proc_dir = fuzz_dir(), .seed = 1, .memory = 64 << 10,
	};
	const struct vmdedup_estimate_result *result;
	static bool ready;
	struct vmdedup_estimate *est;
	size_t i;

	if (!ready) {
		for (i = 0; i < sizeof(mem); i += EST_PAGE)
			mem[i] = i / EST_PAGE % 5;
		fuzz_write("1/mem", mem, sizeof(mem));
		fuzz_write("1/smaps", smaps, sizeof(smaps) - 1);
		fuzz_write("1/status", "Uid: 0\n", 7);
		ready = true;
	}
	for (i = 0; i < PAGES; i++)
		pagemap[START / EST_PAGE + i] = entry(data, size, i);
	for (i = 0; i < 2048; i++)
		flags[i] = size ? (uint64_t)data[i % size] << 15 : 0;
	/* Truncated now and then. */
	fuzz_write("1/pagemap", pagemap, sizeof(pagemap) - (size % 7 ? 0 : size * 8 % 4096));
	fuzz_write("kpageflags", flags, sizeof(flags));
	MUST(!vmdedup_estimate_new(&est, &options));
	MUST(!vmdedup_estimate_add(est, 1));
	MUST(!vmdedup_estimate_read(est, NULL, NULL));
	MUST(!vmdedup_estimate_result(est, &result));
	MUST(result->resident <= PAGES);
	vmdedup_estimate_free(est);
	return 0;
}
