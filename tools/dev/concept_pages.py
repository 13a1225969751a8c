#!/usr/bin/env python3
"""Makes docs/concepts/*.md: a page a concept, of the table at the head of its header and of a sample that the tests compile.

concept_pages.py           writes the pages
concept_pages.py --check   writes nothing; says which are not what it would write, and ends with 1 where there are any

A header's first comment is prose, tables and lists. A table is a line of titles, one of dashes, and rows of two columns; what
stands in the left column further in goes on with the row above. Lines that are indented by two are a list.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "concepts"
SAMPLES = PAGES / "samples"
GROUPS = [
    ("What a cache is made of", [
        ("device", "Device", "device/concepts.hpp"),
        ("layout", "Layout", "layout/concepts.hpp"),
        ("tier", "Memory tier", "tiers/concepts.hpp"),
        ("store", "Store", "tiers/stores/concepts.hpp"),
        ("codec", "Codec", "codec/concepts.hpp"),
        ("transfer", "Copy engine and transfer policy", "transfer/concepts.hpp"),
    ]),
    ("What decides", [
        ("replacement", "Replacement policy", "replacement/concepts.hpp"),
        ("admission", "Admission policy", "replacement/admission/concepts.hpp"),
        ("shedding", "Shedding", "replacement/shedding.hpp"),
        ("write_policy", "Write policy", "tiers/write_policy.hpp"),
        ("split_policy", "Split policy", "transfer/split_policy.hpp"),
    ]),
    ("What watches, and what feeds a simulation", [
        ("tracker", "Tracker", "observe/concepts.hpp"),
        ("access_source", "Access source", "simulate/trace_access.hpp"),
    ]),
    ("What beams and parts of a request need", [
        ("beam_layout", "Beam layout", "beams/concepts.hpp"),
        ("partial_state", "Partial state", "attention/partial_state.hpp"),
    ]),
    ("What reuse beyond the prefix needs, and several nodes", [
        ("position", "Position policy", "position/concepts.hpp"),
        ("selector", "Token selector", "recompute/concepts.hpp"),
        ("router", "Router", "routing/concepts.hpp"),
        ("placement", "Placement", "routing/placement/concepts.hpp"),
    ]),
]


class Fault(Exception):
    pass


def head_comment(path):
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line == "//":
            lines.append("")
        elif line.startswith("// "):
            lines.append(line[3:])
        else:
            break
    if not lines:
        raise Fault(f"{path.relative_to(ROOT)} begins with no comment")
    return lines


def joined(lines):
    """Lines of one paragraph; a path that is cut behind a slash is whole again."""
    return re.sub(r"(?<=\w/) (?=\w)", "", " ".join(lines))


def is_rule(line):
    return re.fullmatch(r"-{4,} +-{4,}", line) is not None


def cell(text):
    return text.replace("|", "\\|")


def code(text):
    """A left cell: all of it is code."""
    return "`` " + cell(text) + " ``" if "`" in text else "`" + cell(text) + "`"


def prose(text):
    """Words that only make sense as code are shown as such, so that no page eats their underscores or brackets."""
    parts = re.split(r"(`[^`]*`)", text)
    word = re.compile(r"(?<![\w`/.])((?:[A-Za-z]\w*::)*[A-Za-z]\w*(?:<[^<>]*(?:<[^<>]*>)?[^<>]*>)?(?:::[A-Za-z]\w*)*(?:\([^()]*\)|[*&](?=[ ,;.]|$))?)")

    def mark(match):
        is_code = re.search(r"_|::|<|\(", match.group(1))
        return "`" + match.group(1) + "`" if is_code else match.group(1)

    shown = []
    for part in parts:
        if part.startswith("`"):
            shown.append(part)
            continue
        pieces = re.split(r"(\b[\w/]+\.(?:hpp|cpp|cuh|md)\b)", part)  # links of their own, below
        shown.append("".join(p if re.search(r"\.(hpp|cpp|cuh|md)$", p) else word.sub(mark, p) for p in pieces))
    return "".join(shown)


def linked(text, header):
    """Files that are named become links to them."""
    def link(match):
        name = match.group(0)
        for base in (ROOT / "include" / "kvstrata", ROOT, header.parent):
            if (base / name).is_file():
                target = "../../" + (base / name).relative_to(ROOT).as_posix()
                return f"[{name}]({target})"
        raise Fault(f"{header.relative_to(ROOT)} names {name}, which is not there")

    return re.sub(r"\b[\w/]+\.(?:hpp|cpp|cuh|md)\b", link, text)


def table(lines, at):
    """The table whose titles are lines[at]; returns its Markdown and where it ends."""
    split = re.search(r" +(?=-)", lines[at + 1]).end()
    rows = []
    end = at + 2
    while end < len(lines) and lines[end]:
        left, right = lines[end][:split].rstrip(), lines[end][split:].strip()
        if lines[end][split - 1:split].strip():  # too long for its column: the right one begins on the next line
            left, right = lines[end].rstrip(), ""
        if left and not left.startswith(" "):
            rows.append([left, right])
        elif rows:
            rows[-1][0] = (rows[-1][0] + " " + left.strip()).strip()
            rows[-1][1] = (rows[-1][1] + " " + right).strip()
        else:
            raise Fault(f"a table goes on before it has a row: {lines[end]}")
        end += 1
    titles = [lines[at][:split].strip(), lines[at][split:].strip()]
    return titles, rows, end


def to_markdown(lines, header):
    text = []
    at = 0
    titles = ["expression", "meaning"]
    while at < len(lines):
        line = lines[at]
        if not line:
            at += 1
        elif at + 1 < len(lines) and is_rule(lines[at + 1]):
            titles, rows, at = table(lines, at)
            text.append(as_table(titles, rows, header))
        elif re.match(r"  \S", line):
            items = []
            while at < len(lines) and lines[at].startswith("  "):
                item = re.match(r"  (\S.*?)(?:(?:  +|(?<=\)): )(.*))?$", lines[at])
                if item and not lines[at].startswith("   "):
                    items.append([item.group(1), item.group(2) or ""])
                else:
                    items[-1][1] += " " + lines[at].strip()
                at += 1
            if all(not meaning for _, meaning in items):
                text.append("```cpp\n" + "\n".join(left for left, _ in items) + "\n```")
            else:
                text.append("\n".join(f"- `{left}`: {linked(prose(right), header)}" for left, right in items))
        elif rowlike(line):  # rows of the table above that go on behind a sentence
            rows = []
            while at < len(lines) and lines[at]:
                left, right = re.match(r"(.*?\S)?(?:  +(\S.*))?$", lines[at]).groups()
                if lines[at].startswith("  ") and not lines[at].startswith("   ") and rows:
                    rows[-1][0] += " " + left.strip()
                    rows[-1][1] += " " + (right or "").strip()
                elif lines[at].startswith("   "):
                    rows[-1][1] += " " + lines[at].strip()
                else:
                    rows.append([left, right or ""])
                at += 1
            text.append(as_table(titles, rows, header))
        else:
            words = []
            while at < len(lines) and lines[at] and not (at + 1 < len(lines) and is_rule(lines[at + 1])):
                words.append(lines[at].strip())
                at += 1
            text.append(linked(prose(joined(words)), header))
    return "\n\n".join(text)


def rowlike(line):
    return re.match(r"[A-Za-z]+(\.|::)\w+.*?\S {2,}\S", line) is not None


def as_table(titles, rows, header):
    shown = [f"| {titles[0]} | {titles[1]} |", "|---|---|"]
    for left, right in rows:
        left = re.sub(r" +", " ", left)
        right = linked(prose(re.sub(r" +", " ", right)), header)
        shown.append(f"| {code(left)} | {cell(right)} |")
    return "\n".join(shown)


def sample_of(name):
    """(what a type of one's own is, what is refused, how the compilers say so); the sample holds both, with marks between."""
    path = SAMPLES / f"{name}.cpp"
    text = path.read_text(encoding="utf-8")
    marks = re.fullmatch(r"(// .*?\n)(.*?)\n#ifndef KVSTRATA_RIGHT\n(.*?)#endif\n(.*)", text, re.DOTALL)
    if not marks:
        raise Fault(f"{path.relative_to(ROOT)} has no part within #ifndef KVSTRATA_RIGHT")
    said = re.findall(r"^// says: (.*)$", marks.group(3), re.MULTILINE)
    if not said:
        raise Fault(f"{path.relative_to(ROOT)} does not say what the compiler says")
    wrong = re.sub(r"^// says: .*\n", "", marks.group(3), flags=re.MULTILINE)
    return (marks.group(2).strip() + "\n" + marks.group(4)).strip(), wrong.strip(), said


def page(name, title, header_name):
    header = ROOT / "include" / "kvstrata" / header_name
    parts = [
        f"# {title}",
        f"*Made from [kvstrata/{header_name}](../../include/kvstrata/{header_name}) and from a [sample](samples/{name}.cpp) that "
        "the tests compile; the words are the header's.*",
        to_markdown(head_comment(header), header),
    ]
    right, wrong, said = sample_of(name)
    parts += ["## One of your own", f"```cpp\n{right}\n```", "## One that is refused", f"```cpp\n{wrong}\n```",
              "The compiler says, among other things:", "```text\n" + "\n".join(said) + "\n```"]
    return "\n\n".join(parts) + "\n"


def first_sentence(header):
    lines = head_comment(header)
    paragraph = " ".join(lines[:lines.index("")] if "" in lines else lines)
    return re.match(r".*?\.(?= |$)|.*", paragraph).group(0).rstrip(":.") + "."


def all_pages():
    pages = {}
    index = ["# Concepts", "kvstrata is put together from policies. Each kind is a C++20 concept: a table of expressions at the "
             "head of its header. These pages show the tables, a smallest type of one's own, and one that is refused. "
             "[Suites](../testing_your_own.md) hold a type of yours to its table.",
             "*`tools/dev/concept_pages.py` makes them.*"]
    for group, members in GROUPS:
        lines = [f"## {group}", "", "| concept | is |", "|---|---|"]
        for name, title, header_name in members:
            pages[f"{name}.md"] = page(name, title, header_name)
            header = ROOT / "include" / "kvstrata" / header_name
            lines.append(f"| [{title}]({name}.md) | {cell(prose(first_sentence(header)))} |")
        index.append("\n".join(lines))
    pages["README.md"] = "\n\n".join(index) + "\n"
    return pages


def main():
    if sys.argv[1:] not in ([], ["--check"]):
        print(__doc__)
        return 0 if sys.argv[1:] == ["--help"] else 2
    try:
        pages = all_pages()
    except Fault as fault:
        print(f"concept_pages.py: {fault}", file=sys.stderr)
        return 1
    wrong = [p.name for p in PAGES.glob("*.md") if p.name not in pages]
    for name, text in pages.items():
        path = PAGES / name
        if sys.argv[1:] == ["--check"]:
            if not path.is_file() or path.read_text(encoding="utf-8") != text:
                wrong.append(name)
        else:
            path.write_text(text, encoding="utf-8")
    for name in wrong:
        print(f"docs/concepts/{name} is not what tools/dev/concept_pages.py makes: run it", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
