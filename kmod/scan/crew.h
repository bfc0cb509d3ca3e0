/* SPDX-License-Identifier: GPL-2.0 */
/* The threads that help the scanner's own one with a pass. */
#ifndef VMDEDUP_SCAN_CREW_H
#define VMDEDUP_SCAN_CREW_H

#include "pass.h"

void vmdedup_crew_resize(unsigned int threads);
void vmdedup_crew_begin(struct vmdedup_pass *pass);
void vmdedup_crew_wait(void (*chores)(void));

#endif /* VMDEDUP_SCAN_CREW_H */
