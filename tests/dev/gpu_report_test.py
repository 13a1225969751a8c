#!/usr/bin/env python3
"""What tools/dev/gpu_report.py writes, by its command line: the pages that people read and the JSON that programs read."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "dev", "gpu_report.py")


class GpuReport(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.to = os.path.join(self.folder.name, "out", "h200")

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def write(self, name, text, mode="w"):
        with open(self.path(name), mode) as file:
            file.write(text)

    def run_it(self, *words, listing=""):
        return subprocess.run([sys.executable, PROGRAM, self.to, "--title", "T", "--words", "W \"quoted\"", "--gpu", "A \"B\" \\ C",
                               "--driver", "1.2", "--date", "2026-01-02", *words], input=listing, text=True, capture_output=True)

    def page(self):
        with open(self.to + ".md", encoding="utf-8") as file:
            return file.read()

    def report(self):
        with open(self.to + ".json", encoding="utf-8") as file:
            return json.load(file)

    def test_results_stand_in_both(self):
        self.write("a.json", '{"rows": [1, 2.5]}')
        self.write("a.md", "## figures of a\n")
        self.write("b.json", "[]")
        self.write("b.md", "## figures of b\n")
        self.assertEqual(self.run_it(self.path("a"), self.path("b")).returncode, 0)
        self.assertEqual(self.report(), {"gpu": "A \"B\" \\ C", "date": "2026-01-02", "driver": "1.2",
                                         "results": {"a": {"rows": [1, 2.5]}, "b": []}})
        self.assertEqual(self.page(), "# T\n\nW \"quoted\"\n\n## figures of a\n\n## figures of b\n")

    def test_a_result_that_is_no_json_costs_the_others_nothing(self):
        self.write("bad.json", '{"rows": [1,')
        self.write("bad.md", "half\n")
        self.write("good.json", '{"x": 1}')
        self.write("good.md", "whole\n")
        ran = self.run_it(self.path("bad"), self.path("good"))
        self.assertEqual(ran.returncode, 0)
        self.assertIn("bad.json cannot be read", ran.stderr)
        self.assertEqual(self.report()["results"]["good"], {"x": 1})
        self.assertIn("unreadable", self.report()["results"]["bad"])

    def test_steps_say_what_became_of_them(self):
        self.write("one.result", "passed 1.5 All tests passed\n")
        self.write("two.result", 'failed 0 it said "a | b" \\ c\n')
        self.write("two.log", "".join("line %d\n" % i for i in range(100)) + "in %s/x\n```\n\x1b[31m" % self.folder.name + "w" * 400)
        self.write("half.result", "passed\n")
        self.write("blank.result", "failed 1 it stopped\n")
        self.write("blank.log", "a\n\nb\n\n\nc\n")
        listing = "".join(s + "\0" for s in ("one", "the | first", "run --a", "two", "second", "run", "blank", "b", "run", "half", "h", "run", "never", "n", "run"))
        ran = self.run_it("--versions", "v", "--steps", self.folder.name, "--hide", self.folder.name, listing=listing)
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        steps = self.report()["steps"]
        self.assertEqual([(s["step"], s["result"], s["seconds"]) for s in steps],
                         [("one", "passed", 1.5), ("two", "failed", 0.0), ("blank", "failed", 1.0), ("half", "not yet run", None), ("never", "not yet run", None)])
        self.assertEqual(steps[1]["reason"], 'it said "a | b" \\ c')
        self.assertEqual((self.report()["quick"], self.report()["versions"]), (True, "v"))
        page = self.page()
        self.assertIn("| one | the \\| first | passed: All tests passed | 1.5 | `run --a` |\n", page)
        self.assertIn('| two | second | failed: it said "a \\| b" \\ c | 0.0 | `run` |\n', page)
        self.assertIn("| never | n | not yet run |  | `run` |\n", page)
        self.assertIn("## The end of the log of two: failed", page)
        self.assertIn("```\na\n\nb\n\n\nc\n```\n", page)
        self.assertNotIn("line 60\n", page)       # the last forty lines
        self.assertIn("line 99\nin x\n ```\n[31m" + "w" * 296 + "\n```\n", page)  # no path, no fence, no escape, not too long
        self.assertNotIn(self.folder.name, page)

    def test_a_list_that_is_torn_writes_nothing(self):
        for listing in ("one\0what\0", "one\0what\0run", "one"):
            self.assertNotEqual(self.run_it("--steps", self.folder.name, listing=listing).returncode, 0)
        self.assertFalse(os.path.exists(self.to + ".md"))

    def test_nothing_half_written_is_left(self):
        self.assertEqual(self.run_it().returncode, 0)
        self.assertNotEqual(self.run_it(self.path("gone")).returncode, 0)  # its page is not there
        self.assertEqual(self.page(), "# T\n\nW \"quoted\"\n")
        self.assertEqual(sorted(os.listdir(os.path.dirname(self.to))), ["h200.json", "h200.md"])


if __name__ == "__main__":
    unittest.main()
