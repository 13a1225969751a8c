"""Reads expositions with the parsers of prometheus_client: [text|open_metrics] FILE ... as JSON on standard output.

A list for each file; an entry for each sample: family, type, help, name, labels, value.
"""
import json
import sys

from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as prometheus_text

files = []
for which, path in zip(sys.argv[1::2], sys.argv[2::2]):
    parse = {"text": prometheus_text, "open_metrics": open_metrics}[which]
    with open(path, encoding="utf-8", newline="") as file:  # strict: what is no UTF-8 throws
        text = file.read()
    samples = []
    for family in parse(text):
        for s in family.samples:
            samples.append([family.name, family.type, family.documentation, s.name, s.labels, repr(float(s.value))])
    files.append(samples)
json.dump(files, sys.stdout)
