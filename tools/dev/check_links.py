#!/usr/bin/env python3
"""Looks at every link of every Markdown page to a file of the repository: is the file there, and the heading?

check_links.py [ROOT]   names each link that leads nowhere, with page and line, and ends with 1 where there are any
"""

import functools
import pathlib
import re
import subprocess
import sys


def pages_of(root):
    """The pages that git tracks, where this is a checkout; else all."""
    listed = subprocess.run(["git", "-C", str(root), "ls-files", "-z", "*.md"], capture_output=True, check=False)
    if listed.returncode == 0 and listed.stdout:
        return [root / name for name in listed.stdout.decode().split("\0") if name and (root / name).is_file()]
    return sorted(p for p in root.rglob("*.md") if "build" not in p.relative_to(root).parts)


def lines_outside_code(text):
    fence = None
    for number, line in enumerate(text.splitlines(), 1):
        mark = re.match(r" *(```+|~~~+)", line)
        if fence is None and mark:
            fence = mark.group(1)
        elif fence is not None:
            if mark and mark.group(1).startswith(fence):
                fence = None
        else:
            yield number, line


@functools.cache
def anchors_of(path):
    """What GitHub makes of headings; a second one of a name gets -1."""
    found = set()
    for _, line in lines_outside_code(path.read_text(encoding="utf-8")):
        heading = re.match(r"#{1,6} +(.*?) *#*$", line)
        if heading:
            words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading.group(1))
            name = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
            count, unique = 0, name
            while unique in found:
                count += 1
                unique = f"{name}-{count}"
            found.add(unique)
        found.update(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", line))
    return found


def faults_of(page, root):
    for number, line in lines_outside_code(page.read_text(encoding="utf-8")):
        line = re.sub(r"`[^`]*`", "", line)
        for target in re.findall(r"\]\(([^()\s]*(?:\([^()]*\))?[^()\s]*)\)", line) + re.findall(r"(?:src|href)=\"([^\"]+)\"", line):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            path = (page.parent / name).resolve() if name else page
            where = f"{page.relative_to(root)}:{number}: "
            if not path.is_relative_to(root):
                yield f"{where}{target} leads out of the repository"
            elif not path.exists():
                yield f"{where}there is no {target}"
            elif anchor and path.suffix == ".md" and anchor not in anchors_of(path):
                yield f"{where}{name or page.name} has no heading #{anchor}"


def main():
    if len(sys.argv) > 2 or sys.argv[1:] == ["--help"]:
        print(__doc__)
        return 0 if sys.argv[1:] == ["--help"] else 2
    root = pathlib.Path(sys.argv[1] if len(sys.argv) == 2 else pathlib.Path(__file__).parents[2]).resolve()
    pages = pages_of(root)
    faults = [fault for page in pages for fault in faults_of(page, root)]
    for fault in faults:
        print(fault, file=sys.stderr)
    if not faults:
        print(f"-- all links of {len(pages)} pages lead somewhere")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
