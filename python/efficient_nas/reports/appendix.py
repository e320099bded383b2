"""What went wrong, what the run notes about itself, and how to run it again."""

from __future__ import annotations

import yaml

from efficient_nas.reports.data import ReportData
from efficient_nas.reports.markup import Cell, architecture, details, escape, facts, lead, number, table, text
from efficient_nas.reports.values import completed

MAX_FAILED_ROWS = 200
REPEATS = (
    "The same seed, package version and cost table repeat the same trials with any number of workers, if the "
    "budget is in trials. The cost table is in the run folder under costs/; name it in the configuration as "
    "devices: [{table: PATH}] instead of measuring again. What is measured on a device does not repeat."
)


def failed(data: ReportData) -> str:
    """Failed trials by reason, then one by one."""
    rows = data.trials[~completed(data.trials)]
    if rows.empty:
        return ""
    reasons = rows["reason"].map(lambda r: str(r) if isinstance(r, str) and r else "no reason recorded")
    counts = [[number(f"{n:,}"), text(reason, "left wide")] for reason, n in reasons.value_counts().items()]
    listed = rows.head(MAX_FAILED_ROWS)
    every = [
        [text(arm), number(str(trial)), text(reason, "left wide"), architecture(str(notation))]
        for arm, trial, reason, notation in zip(
            listed["arm"], listed["trial"], reasons.loc[listed.index], listed["architecture"], strict=True
        )
    ]
    heads = [text("Arm"), Cell("Trial"), text("Reason"), text("Architecture")]
    caption = f"The first {MAX_FAILED_ROWS} of {len(rows):,}" if len(rows) > len(listed) else "All of them"
    note = f"{len(rows):,} of {len(data.trials):,} trials failed. A failure is a result: the search goes on."
    return (
        lead(note)
        + table("By reason", [Cell("Trials"), text("Reason")], counts)
        + details("One by one", table(caption, heads, every))
    )


def setup(data: ReportData) -> str:
    """Configuration, versions and device, and how to run it again."""
    config = yaml.safe_dump(
        dict(data.config), sort_keys=False, allow_unicode=True, default_flow_style=None, width=100
    )
    version = data.versions.get("efficient_nas", data.versions.get("efficient-nas"))
    package = f"efficient-nas=={version}" if version else "efficient-nas"
    again = f'pip install "{package}"\nefficient-nas search config.yaml --output runs/again'
    return "\n".join(
        [
            f"<h3>Configuration</h3><pre>{escape(config)}</pre>",
            '<div class="columns"><div><h3>Versions</h3>',
            facts(data.versions.items()),
            "</div><div><h3>Device</h3>",
            facts(data.device.items()),
            "</div></div>",
            "<h3>Run it again</h3>",
            "<p>Save the configuration above as <code>config.yaml</code> (the run folder has it), then:</p>",
            f"<pre>{escape(again)}</pre>",
            f'<p class="muted">{escape(REPEATS)}</p>',
        ]
    )


def notes(data: ReportData) -> str:
    """What the run wants to say about itself."""
    return "".join(f'<p class="note">{escape(note)}</p>' for note in data.notes)
