#!/usr/bin/python3
"""The list of checks in docs/compliance.md is what steward-compliance says of itself.

    catalogue_page.py HARNESS PAGE            compares; exit status 1 if the page is old
    catalogue_page.py HARNESS PAGE --write    brings the page up to date
"""
import difflib
import subprocess
import sys
from pathlib import Path

BEGIN = "<!-- The list of checks: made by `steward-compliance list --markdown`. -->\n"
END = "<!-- End of the list. -->\n"


def main():
    harness, page, *options = sys.argv[1:]
    block = subprocess.run([harness, "list", "--markdown"], stdout=subprocess.PIPE, check=True, text=True).stdout
    text = Path(page).read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        sys.exit(f"{page}: needs one line each of\n{BEGIN}{END}")
    head, rest = text.split(BEGIN)
    written, tail = rest.split(END)
    if written == block:
        return
    if options == ["--write"]:
        Path(page).write_text(head + BEGIN + block + END + tail, encoding="utf-8")
        return
    sys.stdout.writelines(difflib.unified_diff(written.splitlines(True), block.splitlines(True), page, "list --markdown", n=0))
    sys.exit(f"{page}: its list of checks is old; refresh it with\n"
             f"    tests/compliance/catalogue_page.py {harness} docs/compliance.md --write")


main()
