#!/usr/bin/python3
"""Has the plugin ABI kept what plugins that exist rely on? Compares a description of every struct of the headers, made by abidw
(Debian: abigail-tools), with the stored one, steward_abi_1.abi.xml; abidiff gives the details. abidiff alone would let a swap of two
fields of one type pass, and does not know which structs may grow.

    kept_test.py            exit status 1 if anything has changed; says whether plugins that exist can bear it
    kept_test.py --self     tries that on headers with changes of each kind
    kept_test.py --accept   stores the description, if all that changed is an addition: fields at the end of a struct that begins
                            with its size, new structs

A struct without a size of its own (steward_str, steward_event, steward_label) never changes. What no plugin can bear needs a
new interface id ("steward.restart/2"), or a new major version with a description of its own.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

HERE = Path(__file__).resolve().parent
HEADERS = HERE.parents[1] / "sdk/include"
STORED = HERE / "steward_abi_1.abi.xml"
SAME, ADDITIONS, BROKEN = "same", "additions", "broken"


def describe(headers, folder, name):
    library, description = folder / f"{name}.so", folder / f"{name}.abi.xml"
    subprocess.run([os.environ.get("CC", "cc"), "-std=c11", "-g", "-O0", "-shared", "-fPIC", f"-ffile-prefix-map={HERE}/=",
                    f"-I{headers}", str(HERE / "every_struct.c"), "-o", str(library)],
                   check=True)
    subprocess.run(["abidw", "--headers-dir", str(headers), "--no-show-locs", "--no-corpus-path", "--no-comp-dir-path",
                    "--no-architecture", "--no-elf-needed", "--out-file", str(description), str(library)], check=True)
    return description


class Description:
    def __init__(self, path):
        root = ElementTree.parse(path).getroot()
        self.types = {node.get("id"): node for node in root.iter() if node.get("id")}
        self.structs = {node.get("name"): node for node in self.types.values()
                        if node.tag == "class-decl" and node.get("is-declaration-only") != "yes"}

    def type_text(self, type_id):
        node = self.types[type_id]
        inner = node.get("type-id")
        if node.tag == "typedef-decl":
            return self.type_text(inner)
        if node.tag == "pointer-type-def":
            return self.type_text(inner) + "*"
        if node.tag == "qualified-type-def":
            return self.type_text(inner) + " const"
        if node.tag == "array-type-def":
            return self.type_text(inner) + "[" + node.get("size-in-bits") + " bits]"
        if node.tag == "function-type":
            parameters = [self.type_text(child.get("type-id")) for child in node if child.tag == "parameter"]
            return self.type_text(node.find("return").get("type-id")) + "(" + ", ".join(parameters) + ")"
        return node.get("name") or node.tag

    def members(self, struct):
        found = []
        for member in self.structs[struct].iter("data-member"):
            variable = member.find("var-decl")
            found.append(f"{variable.get('name')} at bit {member.get('layout-offset-in-bits')}: "
                         f"{self.type_text(variable.get('type-id'))}")
        return found

    def can_grow(self, struct):
        return any(re.match(r"size at bit (0|32): ", member) for member in self.members(struct)[:2])


def compare(before, after):
    """SAME, ADDITIONS or BROKEN, and a line for each difference."""
    old, new = Description(before), Description(after)
    lines, broken = [], False
    for struct in sorted(old.structs):
        if struct not in new.structs:
            lines.append(f"{struct} is gone")
            broken = True
            continue
        was, now = old.members(struct), new.members(struct)
        for index, member in enumerate(was):
            if index >= len(now) or now[index] != member:
                lines.append(f"{struct}: was \"{member}\", is \"{now[index] if index < len(now) else 'gone'}\"")
                broken = True
        if now[:len(was)] == was and len(now) > len(was):
            lines += [f"{struct}: new at its end: {member}" for member in now[len(was):]]
            if not old.can_grow(struct):
                lines.append(f"{struct} has no size of its own: it cannot grow")
                broken = True
        size = [one.structs[struct].get("size-in-bits") for one in (old, new)]
        if size[0] != size[1] and now == was:
            lines.append(f"{struct}: has another size")
            broken = True
    lines += [f"{struct} is new" for struct in sorted(set(new.structs) - set(old.structs))]
    return BROKEN if broken else ADDITIONS if lines else SAME, lines


def all_are_used():
    """every_struct.c names each struct of the headers."""
    text = (HERE / "every_struct.c").read_text()
    structs = {name for header in HEADERS.glob("steward/*.h")
               for name in re.findall(r"^\} (steward_\w+);", header.read_text(), re.M)}
    missing = sorted(name for name in structs if f"USES({name})" not in text)
    for name in missing:
        print(f"FAILED {name} is not in every_struct.c")
    return not missing and len(structs) >= 21


CHANGES = [  # what, file, pattern, replacement, expected
    ("nothing", "abi.h", r"^", "", SAME),
    ("a comment", "abi.h", r"^#define STEWARD_ABI_H$", "#define STEWARD_ABI_H /* here */", SAME),
    ("a field at the end", "restart.h", r"^\} steward_restart;", "    void* more;\n} steward_restart;", ADDITIONS),
    ("a field at the entry's end", "abi.h", r"^\} steward_entry;", "    void* more;\n} steward_entry;", ADDITIONS),
    ("a field before the others", "abi.h", r"^typedef struct steward_entry \{",
     "typedef struct steward_entry {\n    void* first;",
     BROKEN),
    ("a field in the middle", "restart.h", r"^    uint64_t total_restarts;", "    uint64_t x;\n    uint64_t total_restarts;", BROKEN),
    ("a field at the end of an element", "restart.h", r"^\} steward_event;", "    void* more;\n} steward_event;", BROKEN),
    ("a field less", "restart.h", r"^    uint64_t total_restarts;", "", BROKEN),
    ("a wider field", "restart.h", r"uint32_t kind;", "uint64_t kind;", BROKEN),
    ("another sign", "restart.h", r"int32_t action;", "uint32_t action;", BROKEN),
    ("another name", "restart.h", r"int32_t action;", "int32_t reaction;", BROKEN),
    ("two fields swapped", "restart.h", r"steward_ns now;\n    uint64_t entropy;", "uint64_t entropy;\n    steward_ns now;", BROKEN),
    ("another parameter", "restart.h", r"const steward_sink\* why,", "const steward_sink* why, int more,", BROKEN),
    ("another result", "abi.h", r"void \(\*destroy\)", "int32_t (*destroy)", BROKEN),
    ("a longer text", "abi.h", r"char text\[256\]", "char text[512]", BROKEN),
    ("a field at the end, and another one changed", "restart.h", r"uint64_t total_restarts;", "int64_t total_restarts; void* more;",
     BROKEN),
]


def self_test(folder):
    failures = 0
    before = describe(HEADERS, folder, "before")
    for number, (what, file, pattern, replacement, expected) in enumerate(CHANGES):
        headers = folder / str(number)
        shutil.copytree(HEADERS, headers)
        text, count = re.subn(pattern, replacement, (headers / "steward" / file).read_text(), count=1, flags=re.M)
        (headers / "steward" / file).write_text(text)
        verdict, lines = compare(before, describe(headers, folder, f"after{number}"))
        good = count == 1 and verdict == expected
        failures += not good
        print(f"{'ok     ' if good else 'FAILED '} {what}: {verdict} {lines[:1]}")
    print(f"{len(CHANGES)} changes, {failures} failures")
    return failures == 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--accept", action="store_true")
    parser.add_argument("--self", action="store_true")
    options = parser.parse_args()
    if shutil.which("abidw") is None:
        sys.exit("FAILED abidw is missing: script/bootstrap test")
    with tempfile.TemporaryDirectory(prefix="steward-abi-") as name:
        folder = Path(name)
        if options.self:
            sys.exit(0 if self_test(folder) else 1)
        now = describe(HEADERS, folder, "now")
        verdict, lines = compare(STORED, now) if STORED.exists() else (ADDITIONS, ["there is no stored description"])
        for line in lines:
            print(line)
        if STORED.exists():
            report = subprocess.run(["abidiff", "--no-architecture", str(STORED), str(now)], stdout=subprocess.PIPE, text=True,
                                    check=False)
            if report.returncode != 0:
                print(report.stdout)
                verdict = ADDITIONS if verdict == SAME else verdict
        if options.accept and verdict != BROKEN:
            shutil.copy(now, STORED)
            print(f"stored {STORED.name}: append the new fields to layout.c too, and raise STEWARD_ABI_MINOR once for a release")
            return
        used = all_are_used()
        if verdict == BROKEN:
            print("FAILED plugins that exist cannot bear this: give the changed interface a new id, or the ABI a new major version")
        elif verdict == ADDITIONS:
            print("FAILED there are additions, which plugins that exist can bear: tests/abi/kept_test.py --accept")
        else:
            print(f"{len(Description(now).structs)} structs are as they were")
        sys.exit(0 if verdict == SAME and used else 1)


main()
