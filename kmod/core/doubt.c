// SPDX-License-Identifier: GPL-2.0
#include "doubt.h"

/* Pages looked at before they are judged by: few may be like others by chance. */
#define WINDOW	2048
/* One level less when it was less than this part of what is allowed. */
#define CALM	4

/**
 * vmdedup_doubt_begin() - a pass comes by
 * @doubt: the address space's
 * @pass: number of the pass; does nothing if it is the same as before
 *
 * Judges by the passes before: the pages of one that were hashed first may have
 * been merged when their partners were met.
 */
void vmdedup_doubt_begin(struct vmdedup_doubt *doubt, u16 pass)
{
	u64 vain, most = doubt->pages / VMDEDUP_DOUBT_PART;

	if (doubt->pass == pass)
		return;
	doubt->pass = pass;
	if (doubt->pages < WINDOW)
		return;
	vain = doubt->hashed - min(doubt->merged, doubt->hashed);
	if (vain > most) {
		for (; vain > most && doubt->level < VMDEDUP_DOUBT_MAX; vain /= 2)
			doubt->level++;
	} else if (vain < most / CALM && doubt->level) {
		doubt->level--;
	}
	doubt->pages = 0;
	doubt->hashed = 0;
	doubt->merged = 0;
}

/**
 * vmdedup_doubt_believes() - is a sketch that was seen elsewhere reason to hash?
 * @level: of the address space
 * @sketch: the sketch, of which nobody outside knows anything
 * @pass: number of the pass
 *
 * Sketches take turns: one that was believed is so again after about 2^@level
 * passes, also if only each 32nd of them comes by.
 */
bool vmdedup_doubt_believes(unsigned int level, u64 sketch, u16 pass)
{
	u64 x = sketch * 0xd6e8feb86659fd93ULL;
	/* Multiples of the golden ratio lie evenly, whichever of them are taken. */
	u32 turn = (u32)(x >> 32) + pass * 0x9e3779b9U;

	return !((u64)turn >> (32 - level));
}
