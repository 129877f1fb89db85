"""`synvid-eval selfcheck`: known values computed again, with the weights that are installed."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from synvid_eval.cli import common, names
from synvid_eval.cli.wrapping import filled
from synvid_eval.errors import known_error, one_line

if TYPE_CHECKING:
    from synvid_eval.selfcheck import Outcome

WIDTH = 100
LACKS = ("weights", "data", "time")


@click.command(name="selfcheck")
@common.weights
@common.device()
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Also what takes minutes on a CPU: 5 on one core, 20 with --data.",
)
@click.option(
    "--data",
    metavar="DIR",
    shell_complete=names.folder,
    help="A folder with cifar-10-batches-bin in it (CIFAR-10, binary version): values published of it.",
)
@common.outputs("json")
@common.talking
def command(
    weights: str | None,
    device: str,
    everything: bool,
    data: str | None,
    json: str | None,
    quiet: bool,
    verbose: bool,
) -> None:
    """Compute known values again and compare: numbers that others published or that mathematics gives.
    Checks whose weights or data are not here are listed as not run. -v shows what each proves, its source,
    and why its tolerance is what it is; so does the JSON.

    Exit code 0 if nothing failed (what was not run did not fail), 4 if only checks of weights failed, 1 if
    one did that needs none.

    \b
    Examples:
      synvid-eval selfcheck
      synvid-eval selfcheck --all --device cuda --json selfcheck.json
      synvid-eval selfcheck --data ~/datasets
    """
    from synvid_eval import selfcheck
    from synvid_eval.networks import loading
    from synvid_eval.score import dump_json

    def say(text: str) -> None:
        if not quiet:
            click.echo(f"  {text}", err=True)

    common.check_outputs(json=json)
    place = loading.resolve_device(device)
    outcomes: list[Outcome] = []
    for outcome in selfcheck.run(weights, place, everything, say, data=data):
        outcomes.append(outcome)
        if json != "-":
            click.echo(_text(outcome, verbose))
    code = selfcheck.exit_code(outcomes)
    if json:
        document = {"ok": not code, "device": place, "versions": selfcheck.versions()}
        checks = {"checks": [o.to_dict() for o in outcomes]}
        common.write_text(dump_json(document | checks), json)
    if json != "-":
        click.echo("\n" + _summary(outcomes, place, weights, data))
    if code:
        failed = [o for o in outcomes if o.verdict == "FAILED"]
        error = known_error(code, f"Failed: {'; '.join(o.name for o in failed)}.", _cure(failed, weights))
        if json == "-":  # stdout holds the one document already
            click.echo(f"synvid-eval: {error}", err=True)
            raise SystemExit(error.code)
        raise error


def _cure(failed: Sequence[Outcome], given: str | None) -> str:
    if files := list(dict.fromkeys(o.needs for o in failed if o.needs)):
        where = ["--weights", given] if given else []
        verify = shlex.join(["synvid-eval", "weights", "verify", *files, *where])
        return f"Are the weights the right ones? {verify}"
    return "Please report it with the output of: synvid-eval selfcheck --json - and synvid-eval doctor"


def _number(value: float) -> str:
    return f"{value:.10g}"


def _text(one: Outcome, verbose: bool) -> str:
    """An outcome in lines: verdict and name; expected, got; where it failed or verbose, what it is about."""
    seen = one.note if one.got is None else f"got {_number(one.got)}"
    expected = f"expected {_number(one.expected)} ± {one.tolerance:.3g}, {one_line(seen)}"
    if verbose:
        expected += f" ({one.seconds:.1f} s)"
    facts = [f"{expected}."]
    if verbose or one.verdict == "FAILED":
        facts += [f"Shows: {one.proves}.", f"Source: {one.source}.", f"Tolerance: {one.because}."]
    blanks = " " * 9
    lines = [filled(f, WIDTH, blanks, blanks + "  ") for f in facts]
    return "\n".join([f"{one.verdict:<9}{one.name}", *lines])


def _summary(outcomes: Sequence[Outcome], place: str, given: str | None, data: str | None) -> str:
    from synvid_eval.networks.weights import fetch_command
    from synvid_eval.selfcheck import command as again

    count = {v: sum(o.verdict == v for o in outcomes) for v in ("ok", "FAILED", "not run")}
    text = f"{count['ok']} ok, {count['FAILED']} FAILED, {count['not run']} not run, on {place}."
    lacking = {what: dict.fromkeys(o.needs for o in outcomes if o.lacks == what) for what in LACKS}
    if wanted := lacking["weights"]:
        text += f"\nTo run those that need weights: {fetch_command(list(wanted), given)}"
    if lacking["data"]:
        text += f"\nTo run those that need data: {again('--data', 'DIR', given=given)}"
    if lacking["time"]:
        text += f"\nTo run the long ones, too: {again('--all', given=given, data=data)}"
    return text
