// SPDX-License-Identifier: LGPL-2.1
#include "vmdedup.h"

const char *vmdedup_skip_name(uint32_t reason)
{
	switch (reason) {
#define SKIP_NAME(NAME, name, text) case VMDEDUP_SKIP_##NAME: return #name;
	VMDEDUP_SKIP_REASONS(SKIP_NAME)
#undef SKIP_NAME
	}
	return NULL;
}

const char *vmdedup_skip_text(uint32_t reason)
{
	switch (reason) {
#define SKIP_TEXT(NAME, name, text) case VMDEDUP_SKIP_##NAME: return text;
	VMDEDUP_SKIP_REASONS(SKIP_TEXT)
#undef SKIP_TEXT
	}
	return NULL;
}
