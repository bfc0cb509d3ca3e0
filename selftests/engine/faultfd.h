/* SPDX-License-Identifier: GPL-2.0 */
/* userfaultfd: all return a negative errno on an error. */
#ifndef VMDEDUP_SELFTESTS_FAULTFD_H
#define VMDEDUP_SELFTESTS_FAULTFD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A new one, which does not block; features can be asked for once. */
int uffd_open(uint64_t features);
/* @mode: UFFDIO_REGISTER_MODE_* */
int uffd_watch(int uffd, void *p, size_t bytes, uint64_t mode);
int uffd_protect(int uffd, void *p, size_t bytes, bool on);

#endif /* VMDEDUP_SELFTESTS_FAULTFD_H */
