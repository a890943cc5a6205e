"""The lag over time with the troubles marked, as SVG, by matplotlib, which is not installed unless it is asked for."""

from pathlib import Path
from typing import Any, Final

from ops.chaos.outcome import Outcome

HOW_TO_GET_IT: Final = "no plot without matplotlib: install the extra `chaos`"


def draw(outcome: Outcome, path: Path) -> bool:
    """Write it; False where there is no matplotlib."""
    try:
        from matplotlib import rc_context  # noqa: PLC0415 - an optional extra
        from matplotlib.backends.backend_svg import FigureCanvasSVG  # noqa: PLC0415
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError:
        return False
    with rc_context({"svg.hashsalt": f"seed {outcome.seed}", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure = Figure(figsize=(12, 5.5), layout="constrained")
        FigureCanvasSVG(figure)
        _fill(figure, outcome)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    return True


def _fill(figure: Any, outcome: Outcome) -> None:
    axes = figure.subplots()
    known = [(at, lag) for at, lag, _ in outcome.samples if lag is not None]
    axes.plot(*zip(*known, strict=True), color="tab:blue", linewidth=1.2, label="lag: said and not worked off")
    pending = [(at, count) for at, _, count in outcome.samples]
    axes.plot(
        *zip(*pending, strict=True), color="tab:gray", linewidth=0.8, label="documents on their way to Salesforce"
    )
    for number, trouble in enumerate(outcome.troubles, start=1):
        color = "tab:orange" if trouble.in_time else "tab:red"
        axes.axvspan(trouble.began, max(trouble.ended, trouble.began + 0.3), color=color, alpha=0.25, linewidth=0)
        place = 1.0 + 0.022 * (number % 3)
        axes.text(trouble.began, place, str(number), fontsize=7, transform=axes.get_xaxis_transform())
    axes.set_yscale("symlog", linthresh=100)
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.set_xlabel("seconds of load; the numbers are those of the table")
    axes.set_ylabel("events, records, documents")
    axes.grid(visible=True, alpha=0.3)
    axes.legend(loc="upper right", fontsize=8)
