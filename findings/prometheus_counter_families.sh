#!/usr/bin/env bash
# Version: prometheus_client 0.26.0.
#
# prometheus_client, the Python library of Prometheus, has a parser of the text format and one of OpenMetrics. Both
# formats have counters, and both call a counter's sample requests_total.
#
# One would guess: a counter can be declared in a way that both parsers take (then a server could answer everyone with
# one text, "# EOF" at its end being a comment in the text format), or else the wrong parser refuses the text.
#
# What happens: OpenMetrics wants "# TYPE requests counter" and refuses the family with _total. The text format's
# parser wants "# TYPE requests_total counter"; for the other it raises nothing: it returns a counter without samples,
# and the samples as a family of unknown type. Declaring both is refused by the one and doubles the family in the
# other. A counter whose sample has no suffix is refused by the one and renamed by the other.
#
# Why it matters: whoever exports a cache's counters (hits, evicted bytes) and tries them with one parser only has
# either an endpoint that one kind of scraper refuses, or counters that have lost their type with no error anywhere. A
# writer needs both forms and has to choose by the request's Accept header.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

missing() {  # WHAT...
  echo "cannot run: $*" >&2
  exit 77
}

install_pinned() {  # NAME==VERSION; then $work/venv/bin/python has it
  command -v python3 >"$work/log" || missing "python3 is not installed"
  python3 -m venv "$work/venv" >"$work/log" 2>&1 ||
    missing "python3 makes no virtual environment: $(tail -n 1 "$work/log")"
  "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all: "$1" \
    >"$work/log" 2>&1 || missing "pip does not install $1: $(tail -n 1 "$work/log")"
  echo "$1"
}

compare() {  # EXPECTED SEEN; prints what was seen
  printf '%s\n' "$2"
  if [[ $1 != "$2" ]]; then
    printf 'THE BEHAVIOUR HAS CHANGED; described is:\n%s\n' "$1"
    exit 1
  fi
  echo "as described"
}
install_pinned prometheus_client==0.26.0

expected='requests_total 3, declared "# TYPE requests counter"
    OpenMetrics: requests is counter of [requests_total]
    text format: requests is counter of []; requests_total is unknown of [requests_total]
requests_total 3, declared "# TYPE requests_total counter"
    OpenMetrics: refused
    text format: requests is counter of [requests_total]
requests_total 3, declared "# TYPE requests counter" and "# TYPE requests_total counter"
    OpenMetrics: refused
    text format: requests is counter of []; requests is counter of [requests_total]
requests 3, declared "# TYPE requests counter"
    OpenMetrics: refused
    text format: requests is counter of [requests_total]'

compare "$expected" "$("$work/venv/bin/python" - <<'END'
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as text_format


def reads(parser, text):
    try:
        families = list(parser(text))
    except ValueError:
        return "refused"
    return "; ".join(f"{f.name} is {f.type} of [{', '.join(s.name for s in f.samples)}]" for f in families)


for sample, families in (
    ("requests_total", ["requests"]),
    ("requests_total", ["requests_total"]),
    ("requests_total", ["requests", "requests_total"]),
    ("requests", ["requests"]),
):
    lines = [f"# TYPE {family} counter" for family in families]
    declared = " and ".join(f'"{line}"' for line in lines)
    text = "\n".join([*lines, f"{sample} 3", "# EOF", ""])
    print(f"{sample} 3, declared {declared}")
    print(f"    OpenMetrics: {reads(open_metrics, text)}")
    print(f"    text format: {reads(text_format, text)}")
END
)"
