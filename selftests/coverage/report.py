#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Which lines of the modules were reached.

    report.py MODULES COUNTS...

MODULES is where they were built (build-module.sh ... GCOV_PROFILE=y), each COUNTS a
directory that inside.sh has filled. Prints a table, and then each line that was not
reached, with a "!" before those that look like the handling of an error.
"""
import collections
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

ERROR = re.compile(r"return -E|ERR_PTR\(-E|= -E[A-Z]|\bgoto\b|WARN|-ENOMEM|"
                   r"VMDEDUP_SKIP_NOMEM|return false|return NULL")

OURS = re.compile(r"(?:^|/)(kmod/(?:[a-z]+/)?[a-z_]+\.[ch])$")


def run_gcov(modules, counts, name):
    """gcov's JSON of one object; name is relative to both directories."""
    with tempfile.TemporaryDirectory() as tmp:
        base = os.path.join(tmp, os.path.basename(name))
        shutil.copy(os.path.join(counts, name), base)
        notes = name[:-len("gcda")] + "gcno"
        shutil.copy(os.path.join(modules, notes), base[:-len("gcda")] + "gcno")
        out = subprocess.run(["gcov", "--json-format", "--stdout", base],
                             cwd=tmp, check=True, capture_output=True).stdout
    return json.loads(out)


def objects(counts):
    """All that was counted, as paths relative to the directory."""
    for where, _, files in os.walk(counts):
        for name in files:
            if name.endswith(".gcda") and not name.endswith(".mod.gcda"):
                yield os.path.relpath(os.path.join(where, name), counts)


def add(lines, functions, report):
    """Add up one object's counts of the files that are ours."""
    for each in report["files"]:
        ours = OURS.search(os.path.normpath(each["file"]))
        if not ours:
            continue
        name = ours[1]
        for line in each["lines"]:
            number = line["line_number"]
            lines[name][number] += line["count"]
            if line.get("function_name"):
                functions[name][number] = line["function_name"]


def ranges(numbers):
    """Lists of consecutive lines; what is between may be without code."""
    run = []
    for number in numbers:
        if run and number > run[-1] + 1:
            yield run
            run = []
        run.append(number)
    if run:
        yield run


def table(lines):
    """Reached and all, by file and in all."""
    total = reached = 0
    print(f"{'file':28} {'lines':>6} {'reached':>8}")
    for name in sorted(lines):
        have = len(lines[name])
        hit = sum(1 for count in lines[name].values() if count)
        total += have
        reached += hit
        print(f"{name:28} {have:6} {100 * hit / have:7.1f}%")
    print(f"{'all':28} {total:6} {100 * reached / max(total, 1):7.1f}%")
    return total


def missed(modules, lines, functions):
    """The lines that were not reached."""
    errors = total = 0
    text = []
    for name in sorted(lines):
        with open(os.path.join(modules, name), encoding="utf-8") as file:
            source = file.read().splitlines()
        never = sorted(n for n, count in lines[name].items() if not count)
        for run in ranges(never):
            where = functions[name].get(run[0], "")
            text.append(f"{name}:{run[0]}: {where}()")
            for number in run:
                line = source[number - 1]
                bad = bool(ERROR.search(line))
                errors += bad
                total += 1
                text.append(f"{'!' if bad else ' '} {number:5} {line.expandtabs()}")
    print(f"\nNot reached: {total} lines, {errors} of which look like the "
          "handling of an error (!).\n")
    print("\n".join(text))


def main():
    """Read all, print all."""
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    modules = os.path.abspath(sys.argv[1])
    lines = collections.defaultdict(collections.Counter)
    functions = collections.defaultdict(dict)
    for counts in sys.argv[2:]:
        for name in objects(counts):
            add(lines, functions, run_gcov(modules, counts, name))
    if not table(lines):
        sys.exit("report.py: nothing was counted")
    missed(modules, lines, functions)


if __name__ == "__main__":
    main()
