// SPDX-License-Identifier: GPL-2.0
/*
 * labtalk - say one line to a guest or to its QEMU, print the answer.
 *
 *   labtalk SOCKET SECONDS LINE      guestload's control port
 *   labtalk -q SOCKET SECONDS JSON   QMP: negotiates, sends the command, skips
 *                                    events; fails if QEMU refuses
 *
 * Exit status: 0 an answer; 1 QEMU refused; 2 no answer (in time).
 */
#define _GNU_SOURCE
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void say(FILE *f, const char *line)
{
	if (fprintf(f, "%s\n", line) < 0 || fflush(f))
		err(2, "cannot send");
}

/* The next line that begins with this or, if so, holds it; without the end of line. */
static char *answer(FILE *f, const char *what, int anywhere)
{
	static char *line;
	static size_t size;
	ssize_t n;

	while ((n = getline(&line, &size, f)) > 0) {
		while (n && (line[n - 1] == '\n' || line[n - 1] == '\r'))
			line[--n] = '\0';
		if (anywhere && (strstr(line, what) || strstr(line, "\"error\":")))
			return line;
		if (!anywhere && !strncmp(line, what, strlen(what)))
			return line + strlen(what);
	}
	errx(2, "no answer");
}

int main(int argc, char **argv)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int qmp = argc > 1 && !strcmp(argv[1], "-q");
	char tag[32], *line, *out;
	FILE *in, *f;
	int fd;

	argv += qmp;
	argc -= qmp;
	if (argc != 4 || strlen(argv[1]) >= sizeof(addr.sun_path))
		errx(2, "usage: labtalk [-q] SOCKET SECONDS LINE");
	strcpy(addr.sun_path, argv[1]);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		err(2, "%s", argv[1]);
	/* SIGALRM ends us if nobody answers; the shell sees the status. */
	alarm(atoi(argv[2]));
	in = fdopen(fd, "r");
	f = fdopen(dup(fd), "w");
	if (!in || !f)
		err(2, "fdopen");

	if (qmp) {
		answer(in, "\"QMP\"", 1);
		say(f, "{\"execute\":\"qmp_capabilities\"}");
		answer(in, "\"return\":", 1);
		say(f, argv[3]);
		line = answer(in, "\"return\":", 1);
		puts(line);
		return strstr(line, "\"error\":") != NULL;
	}

	/* A tag of our own, so that a late answer to somebody else is not ours. */
	snprintf(tag, sizeof(tag), "%d ", getpid());
	if (asprintf(&out, "%s%s", tag, argv[3]) < 0)
		err(2, "asprintf");
	say(f, out);
	puts(answer(in, tag, 0));
	return 0;
}
