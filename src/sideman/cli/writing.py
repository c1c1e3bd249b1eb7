"""Commands that write music: one for each task, with the same options, and `again`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sideman.cli.options import (
    ANY_IN,
    FILE_IN,
    OutputFile,
    count,
    force_option,
    interrupts_noted,
    several,
)

if TYPE_CHECKING:
    from sideman.engine.request import TakeReport

MAX_TAKES = 64

MIDI_OUT = OutputFile((".mid", ".midi"))

midi_argument = click.argument("midi", type=FILE_IN)
out_argument = click.argument("out", type=MIDI_OUT)

how_many_option = click.option(
    "--bars", default="8", show_default=True, metavar="N", help="How many bars to write."
)
which_option = click.option(
    "--bars",
    default="",
    show_default="all",
    metavar="FIRST-LAST",
    help="Which bars, counted from 1, as in 5-8.",
)
new_parts_option = click.option(
    "--part",
    "parts",
    multiple=True,
    required=True,
    metavar="PART",
    help="Who plays: INSTRUMENT or ROLE=INSTRUMENT, with wishes behind a colon, as in "
    "bass=fretless:density=3,range=E1-G3; may be given again.",
)
old_parts_option = click.option(
    "--part",
    "parts",
    multiple=True,
    metavar="PART",
    show_default="all",
    help="Which part of MIDI: its number, name or instrument, with wishes behind a colon, as "
    "in 2:density=3; may be given again.",
)
change_option = click.option(
    "--change",
    type=click.FloatRange(0, 100),
    default=30.0,
    show_default=True,
    metavar="PERCENT",
    help="How many of the notes may change.",
)
new_piece_options = several(
    click.option(
        "--metre",
        default="",
        show_default="4/4",
        help="Of a new piece; may change at a bar, as in '4/4; 9=3/4'.",
    ),
    click.option(
        "--tempo",
        default="",
        show_default="120",
        help="Quarter notes per minute of a new piece; may change at a bar, as in '96; 9=120'.",
    ),
)
new_bars_options = several(
    click.option(
        "--metre",
        default="",
        show_default="as it was",
        help="Of the new bars; may change at a bar of the piece, as in '25=3/4'.",
    ),
    click.option(
        "--tempo",
        default="",
        show_default="as it was",
        help="Quarter notes per minute of the new bars; may change at a bar as well.",
    ),
)
lock_option = click.option(
    "--lock",
    "locks",
    multiple=True,
    metavar="NOTES",
    help="Notes that stay exactly as they are: bars (5-8), a beat (5.2), in it a pitch "
    "(C4@5.2), of a part (bass:5-8); may be given again.",
)
chart_option = click.option(
    "--chart",
    default="",
    metavar="CHORDS",
    help="Chords to follow, as in 'Am | F | C G | E7/G#'.",
)
bundle_option = click.option(
    "--bundle",
    type=ANY_IN,
    default=None,
    show_default="the one that comes with Sideman",
    help="Model to play with.",
)

asking_options = several(
    click.option(
        "--key",
        default="",
        help="Key or scale to keep to, as in 'D minor'; may change at a bar of the piece, as "
        "in 'D minor; 9=F major'.",
    ),
    click.option(
        "--key-mode",
        default="lock",
        show_default=True,
        help="lock: choose no other note; nudge: move others to the nearest.",
    ),
    click.option(
        "--rhythm",
        default="free",
        show_default=True,
        help="Where notes begin: free, straight, straight8, triplet or swing.",
    ),
    click.option("--style", default="", help="One of the model's styles; see `bundle info`."),
)

drawing_options = several(
    click.option(
        "--takes",
        type=click.IntRange(1, MAX_TAKES),
        default=1,
        show_default=True,
        help="How many answers to write; more than one go to OUT-1, OUT-2 …",
    ),
    click.option(
        "--keep",
        type=click.IntRange(0, MAX_TAKES),
        default=0,
        show_default="all, as they come",
        help="Write only so many of the takes: the likeliest, or those that --taste likes "
        "best.",
    ),
    click.option(
        "--taste",
        type=FILE_IN,
        default=None,
        show_default="none",
        help="What you like, as `sideman prefer` learned it from votes: more takes are drawn, "
        "and the best are written.",
    ),
    click.option(
        "--best-of",
        type=click.IntRange(1, MAX_TAKES),
        default=4,
        show_default=True,
        help="With --taste and no --keep: takes that are drawn for each that is written.",
    ),
    click.option(
        "--seed",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        help="Same seed and settings, same notes.",
    ),
    click.option(
        "--temperature",
        type=click.FloatRange(min=0),
        default=0.95,
        show_default=True,
        help="Above 1 is bolder, below 1 safer; 0 takes the likeliest each time.",
    ),
    click.option(
        "--pitch-temperature",
        type=click.FloatRange(min=0),
        default=1.15,
        show_default=True,
        help="Times --temperature, for pitches: above 1 repeats notes less.",
    ),
    click.option(
        "--rhythm-temperature",
        type=click.FloatRange(min=0),
        default=1.0,
        show_default=True,
        help="Times --temperature, for places and lengths.",
    ),
    click.option(
        "--velocity-temperature",
        type=click.FloatRange(min=0),
        default=1.0,
        show_default=True,
        help="Times --temperature, for loudness.",
    ),
    click.option(
        "--repetition",
        type=click.FloatRange(-2, 2),
        default=0.0,
        show_default=True,
        help="Below 0 parts repeat pitches and lengths less, above 0 more.",
    ),
    click.option(
        "--novelty",
        type=click.FloatRange(-2, 2),
        default=0.0,
        show_default=True,
        help="Above 0 turns of the known notes are avoided, below 0 sought.",
    ),
    click.option(
        "--top-p",
        type=click.FloatRange(0, 1, min_open=True),
        default=1.0,
        show_default=True,
        help="Draw from the likeliest choices that sum to this probability.",
    ),
    click.option(
        "--min-p",
        type=click.FloatRange(0, 1),
        default=0.05,
        show_default=True,
        help="Leave out choices this much less likely than the likeliest.",
    ),
    click.option(
        "--top-k",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        help="Draw from this many of the likeliest choices; 0 is all.",
    ),
    click.option(
        "--prompt-bars",
        type=click.IntRange(min=1),
        default=16,
        show_default=True,
        help="How many bars before the new ones the model hears at most.",
    ),
    bundle_option,
    force_option,
)


@click.command("compose")
@out_argument
@how_many_option
@new_parts_option
@new_piece_options
@chart_option
@asking_options
@drawing_options
def compose(**said: Any) -> None:
    """Write a piece from nothing, or from a chord chart, to OUT.

    \b
    Example:
        sideman compose tune.mid --part drums --part bass=33 --part chords=piano --bars 8
        sideman compose song.mid --part melody=flute --part piano --chart "Am | F | C G | E7/G#"
        sideman compose two.mid --part piano --bars 16 --key "D minor; 9=F" --tempo "96; 9=120"
    """
    _write("compose", None, **said)


@click.command("continue")
@click.argument("prompt", type=FILE_IN)
@out_argument
@how_many_option
@old_parts_option
@click.option("--only-new", is_flag=True, help="Leave PROMPT out of OUT.")
@new_bars_options
@chart_option
@asking_options
@drawing_options
def continue_(*, prompt: Path, **said: Any) -> None:
    """Write what might come after PROMPT, a MIDI file, to OUT.

    \b
    Example:
        sideman continue verse.mid chorus.mid --bars 8 --seed 7
        sideman continue verse.mid idea.mid --takes 4 --only-new
        sideman continue verse.mid best.mid --taste taste.json
    """
    _write("continue", prompt, **said)


@click.command("infill")
@midi_argument
@out_argument
@which_option
@old_parts_option
@lock_option
@asking_options
@drawing_options
def infill(*, midi: Path, **said: Any) -> None:
    """Write some bars of MIDI anew, so that they go with what stands around them.

    \b
    Example:
        sideman infill song.mid new.mid --bars 9-12
        sideman infill song.mid new.mid --bars 9-12 --part 2 --part bass --takes 4
    """
    _write("infill", midi, **said)


@click.command("accompany")
@midi_argument
@out_argument
@new_parts_option
@chart_option
@asking_options
@drawing_options
def accompany(*, midi: Path, **said: Any) -> None:
    """Add parts to MIDI that go with those that are there.

    \b
    Example:
        sideman accompany tune.mid band.mid --part drums --part bass=fretless:density=4
    """
    _write("accompany", midi, **said)


@click.command("rewrite")
@midi_argument
@out_argument
@old_parts_option
@lock_option
@asking_options
@drawing_options
def rewrite(*, midi: Path, **said: Any) -> None:
    """Write one part of MIDI anew; the others stay.

    \b
    Example:
        sideman rewrite band.mid other.mid --part bass
    """
    _write("rewrite", midi, **said)


@click.command("vary")
@midi_argument
@out_argument
@change_option
@which_option
@old_parts_option
@lock_option
@asking_options
@drawing_options
def vary(*, midi: Path, **said: Any) -> None:
    """Write some of the notes of MIDI anew; the others stay where they are.

    \b
    Example:
        sideman vary song.mid other.mid --change 20
        sideman vary song.mid other.mid --change 80 --lock melody:1-4 --lock C4@5.1
    """
    _write("vary", midi, **said)


@click.command("harmonise")
@midi_argument
@out_argument
@old_parts_option
@click.option("--chords-only", is_flag=True, help="Add no part that plays the chords.")
@asking_options
@drawing_options
def harmonise(*, midi: Path, **said: Any) -> None:
    """Find chords for MIDI, and add a part that plays them.

    \b
    Example:
        sideman harmonise tune.mid with-chords.mid --takes 3
    """
    _write("harmonise", midi, **said)


@click.command("loop")
@out_argument
@click.option(
    "--from",
    "prompt",
    type=FILE_IN,
    default=None,
    help="A loop to go on with; what is not named stays as it is.",
)
@click.option(
    "--bars",
    default="",
    show_default="4, or those of --from",
    metavar="N",
    help="How long the loop is.",
)
@click.option(
    "--part",
    "parts",
    multiple=True,
    metavar="PART",
    help="A part that is written, in the order given, as for `compose`; may be given again.",
)
@click.option(
    "--rewrite",
    "rewritten",
    multiple=True,
    metavar="PART",
    help="A part of --from that is written anew: its number, name or instrument.",
)
@click.option(
    "--extend",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Bars to add: copies of the first ones, varied.",
)
@change_option
@new_piece_options
@chart_option
@asking_options
@drawing_options
def loop(*, prompt: Path | None, **said: Any) -> None:
    """Write a loop that closes on itself, part by part, to OUT.

    \b
    Example:
        sideman loop beat.mid --part drums --part bass=33 --part chords=5 --rhythm straight
        sideman loop beat2.mid --from beat.mid --rewrite bass --extend 4
    """
    _write("loop", prompt, **said)


@click.command("arrange")
@click.argument("plan", type=FILE_IN)
@out_argument
@drawing_options
def arrange(*, plan: Path, **said: Any) -> None:
    """Write the piece that PLAN, a .toml file, lays out, to OUT.

    \b
    Example:
        sideman arrange song.toml song.mid
    """
    _write("arrange", None, plan=plan.read_text(encoding="utf-8", errors="replace"), **said)


@click.command("again")
@click.argument("take", type=FILE_IN)
@click.argument("out", type=MIDI_OUT, required=False)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Change a setting of the recipe, as in seed=8 or 'parts=drums; bass=33'; may be given "
    "again.",
)
@click.option(
    "--prompt",
    type=FILE_IN,
    default=None,
    show_default="the file of that name beside TAKE, or here",
    help="What TAKE was made from.",
)
@bundle_option
@force_option
def again(*, take: Path, settings: Sequence[str], **said: Any) -> None:
    """Make TAKE, a file that Sideman wrote, once more, to OUT or TAKE-again.

    The recipe in TAKE makes the same bytes, unless a setting is changed.

    \b
    Example:
        sideman again chorus.mid
        sideman again chorus.mid bolder.mid --set seed=8 --set temperature=1.1
    """
    from sideman.engine.request import again as make_again

    report = make_again(take, changes=dict(map(_setting, settings)), **said)
    same = "as before, byte for byte" if report.is_as_before else "other than before"
    click.echo(f"{_summary(report)}, {same}")
    if report.originality:
        click.echo(f"  {report.originality}")


WRITING = (
    compose,
    continue_,
    infill,
    accompany,
    rewrite,
    vary,
    harmonise,
    loop,
    arrange,
    again,
)


def _write(
    task: str,
    prompt: Path | None,
    *,
    out: Path,
    bundle: Path | None,
    taste: Path | None,
    best_of: int,
    force: bool,
    **options: Any,
) -> None:
    from sideman.engine.options import Options
    from sideman.engine.request import Request, write_takes

    request = Request(task, prompt, Options(**options), bundle, taste, best_of)
    with interrupts_noted() as is_interrupted:
        reports = write_takes(request, out, force=force, should_stop=is_interrupted)
    for report in reports:
        click.echo(_summary(report) + _comparison(report))
        if report.originality:
            click.echo(f"  {report.originality}")
    if not reports or any(report.is_stopped for report in reports):
        raise click.Abort


def _summary(report: TakeReport) -> str:
    size = f"{count(report.n_bars, 'bar')}, {count(report.n_notes, 'note')}"
    return f"{report.path}: {size}{', stopped there' if report.is_stopped else ''}"


def _comparison(report: TakeReport) -> str:
    """Say what sets a take apart from the others, if there are any."""
    if report.distance is None:
        return ""
    return (
        f", {report.bits_per_note:.1f} bits per note, "
        f"{report.distance:.2f} from the take most like it"
    )


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        msg = f"--set is {text!r}; write NAME=VALUE"
        raise click.UsageError(msg)
    return name.strip(), value
