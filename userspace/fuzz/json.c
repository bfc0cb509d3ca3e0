// SPDX-License-Identifier: GPL-2.0
/* Names of processes and paths of cgroups: anybody's choice, and in JSON. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "output.h"
#include "proc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_object *object = json_object_new_object(), *back;
	char *text = fuzz_text(data, size);
	char comm[PROC_COMM_MAX];
	size_t i;

	fuzz_write("1/comm", data, size);
	proc_read_comm(fuzz_dir(), 1, comm);
	for (i = 0; comm[i]; i++)
		MUST(comm[i] >= ' ' && comm[i] <= '~');
	json_text(object, "text", text);
	json_text(object, "comm", comm);
	back = json_tokener_parse(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
	MUST(back && !strcmp(text, json_object_get_string(json_object_object_get(back, "text"))));
	MUST(!strcmp(comm, json_object_get_string(json_object_object_get(back, "comm"))));
	json_object_put(back);
	json_object_put(object);
	free(text);
	return 0;
}
