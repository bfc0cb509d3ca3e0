/* SPDX-License-Identifier: GPL-2.0 */
#ifndef VMDEDUP_UNIT_TEST_H
#define VMDEDUP_UNIT_TEST_H

#include "shim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* Does @fn end the program? It runs in a child whose stderr is closed. */
bool aborts(void (*fn)(void *arg), void *arg);

#endif /* VMDEDUP_UNIT_TEST_H */
