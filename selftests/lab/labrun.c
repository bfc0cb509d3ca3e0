// SPDX-License-Identifier: GPL-2.0
/*
 * labrun PORT PROGRAM [ARG]... - run a program with its output on a terminal
 * of its own and pass that on to PORT; exit with the program's status.
 *
 * The terminal makes the C library buffer by lines, so that output is seen
 * live and is not lost when the kernel dies; it is raw, so bytes pass as they
 * are.  PORT is the lab's virtio port.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

/* How long the terminal must be silent after the program has ended. */
#define IDLE_MS		200
/* How often to look whether it has ended, if it is silent. */
#define TICK_MS		100
/* Passed on at most after its end: it may have left something in the background. */
#define REST_BYTES	(16 << 20)

static int open_terminal(int *slave)
{
	struct termios t;
	int master;

	master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0 || grantpt(master) || unlockpt(master))
		err(125, "no terminal");
	*slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (*slave < 0 || tcgetattr(*slave, &t))
		err(125, "no terminal");
	cfmakeraw(&t);
	if (tcsetattr(*slave, TCSANOW, &t))
		err(125, "no raw terminal");
	return master;
}

static void run(int slave, char **argv)
{
	int null = open("/dev/null", O_RDONLY);

	setsid();
	if (null < 0 || dup2(null, 0) < 0 || dup2(slave, 1) < 0 || dup2(slave, 2) < 0)
		_exit(125);
	execvp(argv[0], argv);
	warn("%s", argv[0]);
	_exit(errno == ENOENT ? 127 : 126);
}

/* Returns the bytes passed on, or -1 when nobody has the terminal open any more. */
static ssize_t pass_on(int master, int port)
{
	char buf[16384];
	ssize_t n, done, w;

	n = read(master, buf, sizeof(buf));
	if (n <= 0)
		return n < 0 && errno == EINTR ? 0 : -1;
	for (done = 0; done < n; done += w) {
		w = write(port, buf + done, n - done);
		if (w < 0 && errno == EINTR)
			w = 0;
		else if (w < 0)
			err(125, "cannot write to the port");
	}
	return n;
}

int main(int argc, char **argv)
{
	int port, master, slave, status = 0, open_end = 1;
	size_t rest = 0;
	pid_t pid;

	if (argc < 3)
		errx(125, "usage: labrun PORT PROGRAM [ARG]...");
	port = open(argv[1], O_WRONLY | O_CLOEXEC);
	if (port < 0)
		err(125, "%s", argv[1]);
	master = open_terminal(&slave);

	pid = fork();
	if (pid < 0)
		err(125, "fork");
	if (!pid)
		run(slave, argv + 2);
	close(slave);

	while (pid || (open_end && rest < REST_BYTES)) {
		struct pollfd p = { .fd = open_end ? master : -1, .events = POLLIN };
		int ready = poll(&p, 1, pid ? TICK_MS : IDLE_MS);

		if (ready > 0) {
			ssize_t n = pass_on(master, port);

			if (n < 0)
				open_end = 0;
			else if (!pid)
				rest += n;
		} else if (!pid) {
			break;
		}
		if (pid && waitpid(pid, &status, WNOHANG) == pid)
			pid = 0;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
