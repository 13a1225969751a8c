#!/usr/bin/env python3
"""Writes what was measured on a GPU as it lies in docs/benchmarks: TO.md for people, TO.json for programs.

    gpu_report.py TO --title T --words W --gpu NAME --driver VERSION [--date DAY] [RESULT...]
    gpu_report.py TO ... --versions V --steps FOLDER [--hide PATH...] [RESULT...] < steps

RESULT: a path without ending, of which .md and .json are there. --steps: of a ./dev gpu quick; on standard input stand three texts for
each step, each ended by a zero byte: its name, what it is, its command. FOLDER has what became of it: NAME.result ("state seconds reason")
and NAME.log, whose end is shown where it did not pass; --hide takes paths of this machine out of it. Both files are written beside and
renamed: a reader finds the old ones or the new ones. A result that is no JSON is named in its place, and costs the others nothing.
"""
import argparse
import datetime
import json
import os
import re
import sys

NOT_PASSED = ("failed", "stopped", "cut")


def read_steps(folder, listing):
    words = listing.split("\0")
    if words[-1] != "" or len(words) % 3 != 1:
        sys.exit("gpu_report.py: the list of steps wants three texts a step, each ended by a zero byte")
    steps = []
    for name, what, command in zip(words[0::3], words[1::3], words[2::3]):
        step = {"step": name, "what": what, "result": "not yet run", "seconds": None, "reason": "", "command": command}
        try:
            with open(os.path.join(folder, name + ".result"), encoding="utf-8", errors="replace") as file:
                told = file.readline().split(None, 2)
            step["result"], step["seconds"] = told[0], float(told[1])
            step["reason"] = told[2].strip() if len(told) > 2 else ""
        except (OSError, IndexError, ValueError):
            pass  # not there, or written by half: as if it had not run
        steps.append(step)
    return steps


def cell(text):
    return text.replace("|", "\\|")


def table(steps):
    lines = ["| step | what | result | seconds | command |", "| --- | --- | --- | ---: | --- |"]
    for s in steps:
        result = s["result"] + (": " + s["reason"] if s["reason"] else "")
        seconds = "" if s["seconds"] is None else "%.1f" % s["seconds"]
        lines.append("| %s | %s | %s | %s | `%s` |" % (s["step"], cell(s["what"]), cell(result), seconds, s["command"]))
    return "\n".join(lines) + "\n"


def end_of_log(path, hidden):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read().split("\n")
        if not lines[-1]:  # behind the last line end
            lines.pop()
    except OSError:
        return ""
    text = "\n".join(re.sub(r"[\x00-\x08\x0b-\x1f]", "", line)[:300] for line in lines)
    text = "\n".join(text.split("\n")[-40:])
    text = re.sub(r"^```", " ```", text, flags=re.MULTILINE)
    for place in hidden:
        text = text.replace(place.rstrip("/") + "/", "")
    return text


def ends(steps, folder, hidden):
    out = ""
    for s in steps:
        text = end_of_log(os.path.join(folder, s["step"] + ".log"), hidden) if s["result"] in NOT_PASSED else ""
        if text:
            out += "\n## The end of the log of %s: %s\n\n```\n%s\n```\n" % (s["step"], s["result"], text)
    return out


def read_result(path):
    try:
        with open(path + ".json", encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError) as fault:
        print("gpu_report.py: %s.json cannot be read: %s" % (path, fault), file=sys.stderr)
        return {"unreadable": str(fault)}


def put(path, text):
    with open(path + ".part", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".part", path)


def main():
    wants = argparse.ArgumentParser(usage=__doc__)
    wants.add_argument("to")
    for name in ("title", "words", "gpu", "driver"):
        wants.add_argument("--" + name, required=True)
    wants.add_argument("--date", default=datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"))
    wants.add_argument("--versions", default="")
    wants.add_argument("--steps")
    wants.add_argument("--hide", action="append", default=[])
    wants.add_argument("results", nargs="*")
    given = wants.parse_intermixed_args()

    page = "# %s\n\n%s\n" % (given.title, given.words)
    report = {"gpu": given.gpu, "date": given.date, "driver": given.driver}
    if given.steps:
        steps = read_steps(given.steps, sys.stdin.read())
        page += "\n" + table(steps) + ends(steps, given.steps, given.hide)
        shown = [{k: v for k, v in s.items() if k != "what"} for s in steps]
        report.update(quick=True, versions=given.versions, steps=shown)
    report["results"] = {os.path.basename(path): read_result(path) for path in given.results}
    for path in given.results:
        with open(path + ".md", encoding="utf-8", errors="replace") as file:
            page += "\n" + file.read()

    os.makedirs(os.path.dirname(os.path.abspath(given.to)), exist_ok=True)
    put(given.to + ".md", page)
    put(given.to + ".json", json.dumps(report, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
