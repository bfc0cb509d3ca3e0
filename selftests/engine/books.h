/* SPDX-License-Identifier: GPL-2.0 */
/* The kernel's books, as in selftests/lab/books.sh: is all memory accounted for? */
#ifndef VMDEDUP_SELFTESTS_BOOKS_H
#define VMDEDUP_SELFTESTS_BOOKS_H

#include <stdbool.h>

struct books {
	long long mapped;
	long long unexplained;	/* pages handed out that no counter explains */
};

void books_read(struct books *b);
/*
 * Are they as they were? Some of the kernel's work is put off: looks until they
 * are, and @done says so, for up to a minute. What is not is printed.
 */
bool books_balance(const struct books *was, bool (*done)(void));

#endif /* VMDEDUP_SELFTESTS_BOOKS_H */
