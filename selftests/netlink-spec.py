#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""
Compare Documentation/netlink/specs/vmdedup.yaml with the UAPI header (names,
numbers and types) and with what kmod/api/ puts, accepts and asks permission
for; and with the kernel's schema of such specs.

    netlink-spec.py [SCHEMA]

Exits with 0 if all agree, else says what does not.
"""
import glob
import os
import re
import subprocess
import sys

import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SPEC = f"{ROOT}/Documentation/netlink/specs/vmdedup.yaml"
UAPI = f"{ROOT}/include/uapi"
HEADER = f"{UAPI}/linux/vmdedup_netlink.h"

problems = []


def check(good, what):
    """Note a problem."""
    if not good:
        problems.append(what)


def enums():
    """Each enum of the headers, as {name: {enumerator: number}}."""
    text = subprocess.run(
        ["cc", "-E", "-P", "-I", UAPI, HEADER], check=True,
        stdout=subprocess.PIPE, text=True).stdout
    found = {}
    for name, body in re.findall(r"enum (vmdedup_\w+) \{(.*?)\};", text, re.S):
        values, number = {}, 0
        for item in filter(None, map(str.strip, body.split(","))):
            enumerator, _, value = map(str.strip, item.partition("="))
            if value:
                number = eval(value, {}, dict(values))
            values[enumerator] = number
            number += 1
        found[name] = values
    return found


def header_types():
    """What the comments of the header say of attributes' types."""
    with open(HEADER, encoding="ascii") as file:
        text = file.read()
    found = {}
    for name, comment in re.findall(r"(VMDEDUP_A_\w+),\s*/\* (.*?) \*/", text,
                                    re.S):
        found[name] = re.match(r"nest|u8|u32|u64|string", comment)
        found[name] = found[name].group(0) if found[name] else None
    for name in re.findall(r"(VMDEDUP_A_[A-Z]+_PAD),", text):
        found[name] = "pad"
    return found


def code():
    """The text of the code behind the family."""
    text = ""
    for path in sorted(glob.glob(f"{ROOT}/kmod/api/netlink*.c")):
        with open(path, encoding="ascii") as file:
            text += file.read()
    return text


def numbered(attributes, first=1):
    """Pairs of an attribute and its number."""
    number = first
    for attribute in attributes:
        number = attribute.get("value", number)
        yield attribute, number
        number += 1


# Attribute set: enum, what its enumerators begin with, are they capital, and
# the kind of those whose type the header does not tell one by one.
SETS = {
    "vmdedup": ("vmdedup_attr", "VMDEDUP_A_", True, "nest"),
    "stats": ("vmdedup_attr_stats", "VMDEDUP_A_STATS_", False, "u64"),
    "ledger": ("vmdedup_attr_ledger", "VMDEDUP_A_LEDGER_", False, "u64"),
    "guest": ("vmdedup_attr_guest", "VMDEDUP_A_GUEST_", True, None),
    "region": ("vmdedup_attr_region", "VMDEDUP_A_REGION_", True, None),
    "event": ("vmdedup_attr_event", "VMDEDUP_A_EVENT_", True, None),
}


def check_set(spec, name, found, types):
    """One attribute set; returns {enumerator: type}."""
    enum, prefix, capital, default = SETS[name]
    want = {k: v for k, v in found[enum].items()
            if not k.startswith("__") and
            k not in (prefix + "UNSPEC", prefix + "MAX")}
    have = {}
    for attribute, number in numbered(spec["attributes"]):
        key = attribute["name"]
        if capital or key in ("pad", "skipped"):
            key = key.upper()
        key = prefix + key
        have[key] = attribute["type"]
        check(key in want, f"{name}: {attribute['name']} is not in {enum}")
        check(want.get(key) == number,
              f"{name}: {attribute['name']} is {number}, not {want.get(key)}")
        kind = types.get(key) or default
        check(attribute["type"] == kind,
              f"{name}: {attribute['name']} is {attribute['type']}, not {kind}")
        if attribute["type"] == "nest":
            check("nested-attributes" in attribute,
                  f"{name}: {attribute['name']} is a nest of what?")
    for key in want.keys() - have.keys():
        check(False, f"{name}: {key} is missing")
    return have


def check_skipped(spec, found):
    """The reasons, moved by one."""
    reasons = {k: v for k, v in found["vmdedup_skip"].items()
               if k != "VMDEDUP_SKIP_NR"}
    for attribute, number in numbered(spec["attributes"]):
        if attribute["type"] == "pad":
            check(number == 0, "skipped: what pads is not 0")
            continue
        key = "VMDEDUP_SKIP_" + attribute["name"].upper()
        check(reasons.pop(key, None) == number - 1,
              f"skipped: {attribute['name']} is not {number}")
        check(attribute["type"] == "u64", f"skipped: {attribute['name']}")
    check(not reasons, f"skipped: {list(reasons)} is missing")


def check_definitions(definitions, found):
    """Types of events; flags of regions."""
    for definition in definitions:
        names = [entry["name"] for entry in definition["entries"]]
        if definition["name"] == "event-type":
            want = {f"VMDEDUP_EVENT_{n.upper()}": i
                    for i, n in enumerate(names)}
            want["VMDEDUP_EVENT_NR"] = len(names)
            check(want == found["vmdedup_event_type"], "event-type differs")
        elif definition["name"] == "region-flags":
            with open(f"{UAPI}/linux/vmdedup.h", encoding="ascii") as file:
                flags = re.findall(
                    r"#define VMDEDUP_REGION_(\w+)\s+\(1U << (\d+)\)",
                    file.read())
            check([(n.upper(), str(i)) for i, n in enumerate(names)] == flags,
                  "region-flags differ")
        else:
            check(False, f"unknown definition {definition['name']}")


def check_operations(operations, found, text):
    """Commands, their numbers, who may, and which can be dumped."""
    want = {k: v for k, v in found["vmdedup_cmd"].items()
            if not k.startswith("__") and
            k not in ("VMDEDUP_CMD_UNSPEC", "VMDEDUP_CMD_MAX")}
    ops = dict(re.findall(r"\.cmd = (VMDEDUP_CMD_\w+),(.*?)\n\t\}", text, re.S))
    for operation, number in numbered(operations["list"]):
        name = operation["name"]
        key = "VMDEDUP_CMD_" + name.upper().replace("-", "_")
        check(want.pop(key, None) == number, f"{name} is not {number}")
        if "event" in operation:
            check(key not in ops, f"{name} can be asked for")
            continue
        op = ops.pop(key, "")
        check((".doit" in op) == ("do" in operation), f"{name}: do differs")
        check((".dumpit" in op) == ("dump" in operation),
              f"{name}: dump differs")
        flags = operation.get("flags", [])
        check(("GENL_ADMIN_PERM" in op) == (flags == ["admin-perm"]),
              f"{name}: permission differs")
    check(not want, f"{list(want)} is missing")
    check(not ops, f"{list(ops)} is not in the spec")


PUT = {"nla_put_u64_64bit": "u64", "put_event_u64": "u64",
       "nla_put_u32": "u32", "nla_put_u8": "u8", "nla_put_string": "string",
       "nla_nest_start": "nest", "vmdedup_netlink_put_ledger": "nest",
       "put_values": "nest"}


def check_code(have, text):
    """Each attribute is put as the spec says, and taken as that."""
    put = set()
    for function, key in re.findall(
            r"(\w+)\(\s*skb,\s*(VMDEDUP_A_\w+)(?=[,)])", text):
        if function in PUT:
            put.add(key)
            check(have.get(key) == PUT[function],
                  f"{key} is put by {function}(), is {have.get(key)}")
    # The nest that put_values() puts into its own.
    for key in re.findall(r"struct layout layout = \{\s*\.skipped = (\w+),",
                          text):
        put.add(key)
        check(have.get(key) == "nest", f"{key} is put as nest, is not")
    for key, kind in re.findall(
            r"\[(VMDEDUP_A_\w+)\] = (?:\{ \.type = |NLA_POLICY_\w+\()"
            r"(NLA_\w+|\w+_policy)", text):
        kind = "nest" if kind.endswith("_policy") else kind[4:].lower()
        check(have.get(key) == kind,
              f"{key} is taken as {kind}, is {have.get(key)}")
    for key, kind in have.items():
        # Those of the lists are put in loops.
        if kind != "pad" and key == key.upper():
            check(key in put, f"{key} is never put")


def check_schema(spec, path):
    """Is it such a spec at all?"""
    import jsonschema
    with open(path, encoding="utf-8") as file:
        schema = yaml.safe_load(file)
    try:
        jsonschema.validate(spec, schema)
    except jsonschema.ValidationError as error:
        check(False, f"not as {path} says: {error.message}")


def main():
    """All of it."""
    with open(SPEC, encoding="ascii") as file:
        spec = yaml.safe_load(file)
    found, types, text = enums(), header_types(), code()
    sets = {s["name"]: s for s in spec["attribute-sets"]}
    have = {}
    check(sets.keys() == SETS.keys() | {"skipped"}, "other attribute sets")
    for name in SETS.keys() & sets.keys():
        have.update(check_set(sets[name], name, found, types))
    check_skipped(sets["skipped"], found)
    check_definitions(spec["definitions"], found)
    check_operations(spec["operations"], found, text)
    check_code(have, text)
    groups = [g["name"] for g in spec["mcast-groups"]["list"]]
    with open(HEADER, encoding="ascii") as file:
        header = file.read()
    check(groups == re.findall(r'#define VMDEDUP_MCGRP_\w+\s+"(\w+)"', header),
          "multicast groups differ")
    check(f'#define VMDEDUP_GENL_NAME\t"{spec["name"]}"' in header,
          "the family's name differs")
    if len(sys.argv) > 1:
        check_schema(spec, sys.argv[1])
    for problem in problems:
        print(problem)
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
