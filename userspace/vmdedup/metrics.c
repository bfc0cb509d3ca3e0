// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "output.h"
#include "prometheus.h"
#include "snapshot.h"

static void write_text(FILE *file, const struct snapshot *snapshot)
{
	prometheus_write_stats(file, &snapshot->stats);
	prometheus_write_guests(file, &snapshot->guests,
				(const char (*)[VM_NAME_MAX])snapshot->names);
}

static int write_and_close(int fd, const struct snapshot *snapshot)
{
	FILE *file = fdopen(fd, "w");
	int err = 0;

	if (!file) {
		err = -errno;
		close(fd);
		return err;
	}
	write_text(file, snapshot);
	/* For whoever scrapes, as a new file would be. */
	if (fflush(file) || ferror(file) || fchmod(fd, 0644))
		err = errno ? -errno : -EIO;
	if (fclose(file) && !err)
		err = -errno;
	return err;
}

/* Beside @path, so that it can be renamed; nobody collects names with a dot. */
static int make_temporary(const char *path, char *temporary, size_t size)
{
	const char *slash = strrchr(path, '/');
	int dir = slash ? slash - path + 1 : 0;
	int fd;

	if (snprintf(temporary, size, "%.*s.%s.XXXXXX", dir, path, path + dir) >= (int)size)
		return -ENAMETOOLONG;
	fd = mkstemp(temporary);
	return fd < 0 ? -errno : fd;
}

/* Readers see the old file or the new one, whole. */
static int write_file(const char *path, const struct snapshot *snapshot)
{
	char temporary[PATH_MAX];
	int fd, err;

	fd = make_temporary(path, temporary, sizeof(temporary));
	err = fd < 0 ? fd : write_and_close(fd, snapshot);
	if (!err && rename(temporary, path))
		err = -errno;
	if (!err)
		return CLI_OK;
	if (fd >= 0)
		unlink(temporary);
	cli_error("cannot write %s: %s", path, strerror(-err));
	return CLI_REFUSED;
}

static int show(struct cli *cli, const char *path)
{
	struct snapshot snapshot;
	int err, status = CLI_OK;
	const char *what;

	if (cli_connect(cli))
		return CLI_REFUSED;
	err = snapshot_take(cli, &snapshot, &what);
	if (err)
		status = cli_request_error(cli, err, what);
	else if (path)
		status = write_file(path, &snapshot);
	else if (cli->json)
		json_print(cli, snapshot_to_json(cli, &snapshot));
	else
		write_text(stdout, &snapshot);
	snapshot_free(&snapshot);
	return status;
}

static int take_option(void *data, int c)
{
	if (c == OPT_OUTPUT)
		*(const char **)data = optarg;
	return CLI_CONTINUE;
}

static int run(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "output",	required_argument,	NULL,	OPT_OUTPUT },
		CLI_LONG_OPTIONS
	};
	const char *path = NULL;
	int status;

	status = cli_options(cli, &command_metrics, argc, argv, options, take_option, &path);
	if (status != CLI_CONTINUE)
		return status;
	if (argc > optind)
		return cli_usage(&command_metrics, "what is '%s' for?", argv[optind]);
	if (path && cli->json)
		return cli_usage(&command_metrics, "--output is for Prometheus, not for JSON");
	return show(cli, path);
}

const struct command command_metrics = {
	.name		= "metrics",
	.args		= "[--output FILE]",
	.summary	= "all statistics for Prometheus",
	.help =
		"      --output FILE  into FILE, which is replaced at once when all is written:\n"
		"                     *.prom in the directory that node_exporter's textfile\n"
		"                     collector reads\n"
		"  -j, --json         the same figures as JSON on standard output\n"
		"  -p, --pretty       the same, indented\n",
	.run		= run,
};
