/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A fuzz target is one file here: NAME.c with LLVMFuzzerTestOneInput(), and
 * inputs to begin with in corpus/NAME/. The Makefile finds it.
 */
#ifndef _FUZZ_H
#define _FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold whatever the input is. */
#define MUST(condition) do {	\
	if (!(condition))	\
		__builtin_trap();	\
} while (0)

/* fuzz_text() - the input as a string, to be freed */
char *fuzz_text(const uint8_t *data, size_t size);

/* fuzz_dir() - a directory of this process, made once and removed at exit */
const char *fuzz_dir(void);

/* fuzz_write() - write a file below fuzz_dir(); what was there is gone */
void fuzz_write(const char *path, const void *data, size_t size);

#endif /* _FUZZ_H */
