"""The findings as a page: counts, lengths, examples. One file, no script, readable in print."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np

from mlxtutor.quality.checking import Checked, lines_by_rule
from mlxtutor.quality.findings import RULES

EXAMPLES = 10  # of a rule
BINS = 24
WIDTH, HEIGHT = 640, 140  # of a histogram, in pixels
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .3rem; } h2 small { font-weight: normal; color: #666; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .25rem .75rem .25rem 0; vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; width: 4rem; }
td:first-child { white-space: nowrap; }
tr + tr { border-top: 1px solid #ddd; }
p.what { color: #666; margin: 0 0 .5rem; } svg { width: 100%; height: auto; }
svg rect { fill: #3b6ea5; } svg text { font-size: 12px; fill: #444; }
a { color: #1d4f91; }
@media (prefers-color-scheme: dark) {
  body { color: #ddd; background: #181818; } p.what, h2 small { color: #999; } tr + tr { border-color: #333; } svg text { fill: #aaa; }
  a { color: #8ab4e8; } svg rect { fill: #6f9fd0; }
}
"""


def count(number: int, noun: str) -> str:
    """`1 finding`, `2,000 findings`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def render_report(name: str, checked: Checked) -> str:
    """A whole HTML page."""
    grouped = lines_by_rule(checked.findings)
    records, findings = count(checked.rows, "record"), count(len(checked.findings), "finding")
    title = f"{html.escape(name)}: {records}, {findings}"
    summary = "".join(f'<tr><td><a href="#{rule}">{rule}</a></td><td class="n">{len(found):,}</td><td>{RULES[rule]}</td></tr>'
                      for rule, found in grouped.items()) or "<tr><td>nothing found</td></tr>"
    licences = "".join(f'<tr><td>{html.escape(source)}</td><td>{html.escape(licence)}</td><td class="n">{count:,}</td></tr>'
                       for (source, licence), count in checked.licences.most_common())
    lengths = _histogram(checked.characters, "characters") + (_histogram(checked.tokens, "tokens") if checked.tokens else "")
    rules = "".join(_rule(rule, [(f.line, f.message, checked.excerpts.get(f.line, "")) for f in found]) for rule, found in grouped.items())
    return (f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
            f"<title>{title}</title><style>{_STYLE}</style></head><body>\n<h1>{title}</h1>\n"
            f'<table><tr><th>rule</th><th class="n">count</th><th>what it is</th></tr>{summary}</table>\n'
            f"<h2>Length of a row</h2>{lengths}\n<h2>Licences</h2>\n"
            f'<table><tr><th>source</th><th>licence</th><th class="n">rows</th></tr>{licences}</table>\n{rules}</body></html>\n')


def _rule(rule: str, found: Sequence[tuple[int, str, str]]) -> str:
    """A rule's first findings, with how their rows begin."""
    rows = "".join(f'<tr><td class="n">{line:,}</td><td>{html.escape(message)}<p class="what">{html.escape(excerpt)}</p></td></tr>'
                   for line, message, excerpt in found[:EXAMPLES])
    more = f"<p class=what>and {len(found) - EXAMPLES:,} more, in findings.json</p>" if len(found) > EXAMPLES else ""
    return (f'<h2 id="{rule}">{rule} <small>{len(found):,}</small></h2><p class="what">{RULES[rule]}</p>'
            f'<table><tr><th class="n">line</th><th>finding</th></tr>{rows}</table>{more}\n')


def _histogram(lengths: Sequence[int], unit: str) -> str:
    """Rows by length, as SVG bars; the longest percent in the last bar."""
    if not lengths:
        return ""
    values = np.asarray(lengths)
    top = max(float(np.percentile(values, 99)), float(values.min()) + 1)
    counts, edges = np.histogram(np.minimum(values, top), bins=BINS, range=(float(values.min()), top))
    width = WIDTH / BINS
    heights = HEIGHT * counts / counts.max()
    bars = "".join(f'<rect x="{index * width:.1f}" y="{20 + HEIGHT - height:.1f}" width="{width - 1:.1f}" height="{height:.1f}">'
                   f"<title>{edges[index]:,.0f} to {edges[index + 1]:,.0f} {unit}: {counts[index]:,} rows</title></rect>"
                   for index, height in enumerate(heights))
    longest = f"(longest {values.max():,})" if values.max() > top else ""
    return (f'<svg viewBox="0 0 {WIDTH} {HEIGHT + 42}" role="img" aria-label="rows by {unit}">'
            f'<text x="0" y="12">{unit}; the highest bar is {counts.max():,} rows</text>{bars}'
            f'<text x="0" y="{HEIGHT + 36}">{edges[0]:,.0f} {unit}</text>'
            f'<text x="{WIDTH}" y="{HEIGHT + 36}" text-anchor="end">{edges[-1]:,.0f} {longest}</text></svg>')
