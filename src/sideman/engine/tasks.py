"""Tasks by name: what people say is read, and the function of the task is called."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from sideman.bundle import Bundle
from sideman.engine import compose
from sideman.engine.arrange import arrange
from sideman.engine.bounds import Bounds
from sideman.engine.chart import Chart, parse_chart
from sideman.engine.compose import Take
from sideman.engine.course import Value, parse_course
from sideman.engine.fill import Wish, WrittenNote
from sideman.engine.harmonise import harmonise
from sideman.engine.locks import locked_notes
from sideman.engine.loop import loop
from sideman.engine.options import DEFAULT_BARS, MAX_BARS, PERCENT, Options
from sideman.engine.parts import PartWish, find_part, instrument_name, parse_part, program_of
from sideman.engine.pitches import Scale, parse_scale
from sideman.engine.plan import parse_plan
from sideman.engine.rhythm import RHYTHMS, parse_metre, parse_tempo
from sideman.engine.wishes import choose, parse_bars, parse_number
from sideman.errors import EngineError
from sideman.score.edit import drop_empty_parts
from sideman.score.harmony import N_PITCH_CLASSES
from sideman.score.time import MAX_BARS as MOST_BARS_OF_A_SCORE
from sideman.score.types import DEFAULT_TEMPO_BPM, Score
from sideman.tokens.vocabulary import DENOMINATOR_OF, NUMERATOR_OF, Role

KEY_MODES = ("lock", "nudge")


def carry_out(
    task: str,
    score: Score | None,
    model: Bundle,
    options: Options,
    *,
    should_stop: Callable[[], bool] | None = None,
    on_note: Callable[[WrittenNote], None] | None = None,
    threads: int = 0,
) -> list[Take]:
    """Return the takes that are asked for.

    Args:
        task: One of `TASKS`.
        score: What it is about; None for a task that needs nothing.
        model: Who answers.
        options: What is asked for.
        should_stop: This and the following as in `sideman.engine.fill.Wish`.
        on_note: Is told of each note that a model writes.
        threads: Threads of the model.

    Raises:
        EngineError: If there is no such task, or something is asked for that cannot be.
    """
    choose(task, TASKS, "task")
    wish = replace(
        _wish(options, model), should_stop=should_stop, on_note=on_note, threads=threads
    )
    if task in _FROM_NOTHING:
        return _FROM_NOTHING[task](model, options, wish)
    if task == "loop":
        return _loop(score, model, options, wish)
    if score is None:
        msg = f"{task} is about a piece; name a MIDI file"
        raise EngineError(msg)
    return _ABOUT_A_SCORE[task](score, model, options, wish)


def _compose(model: Bundle, options: Options, wish: Wish) -> list[Take]:
    wishes = _new_parts(options)
    return compose.compose(
        [compose.player(part) for part in wishes],
        model,
        n_bars=_n_bars(options),
        metre=_metres(options),
        tempo_bpm=_tempos(options),
        key=_keys(options),
        chart=_chart(options),
        wish=_asking(wish, dict(enumerate(wishes))),
    )


def _arrange(model: Bundle, options: Options, wish: Wish) -> list[Take]:
    return arrange(parse_plan(options.plan, "the plan"), model, wish=wish)


def _loop(score: Score | None, model: Bundle, options: Options, wish: Wish) -> list[Take]:
    rewritten, wishes = _chosen(score, options.rewritten) if score else ((), {})
    return loop(
        model,
        parts=[*(rewritten or ()), *_new_parts(options)],
        n_bars=_n_bars(options) if options.bars else None,
        metre=_only("metre", _metres(options), (4, 4)),
        tempo_bpm=_only("tempo", _tempos(options), DEFAULT_TEMPO_BPM),
        key=_keys(options).get(0),
        chart=_chart(options),
        score=score,
        extend=options.extend,
        change=options.change / PERCENT,
        wish=_asking(wish, wishes),
    )


def _harmonise(score: Score, model: Bundle, options: Options, wish: Wish) -> list[Take]:
    parts, wishes = _chosen(score, options.parts)
    return harmonise(
        score,
        model,
        parts=parts,
        chords_only=options.chords_only,
        wish=_asking(wish, wishes),
    )


def _continue(score: Score, model: Bundle, options: Options, wish: Wish) -> list[Take]:
    score = drop_empty_parts(score)
    _, wishes = _chosen(score, options.parts)
    first, n_bars = bars_behind(options)
    return compose.continue_(
        score,
        model,
        n_bars=n_bars,
        first_bar=first,
        only_new=options.only_new,
        metre=_metres(options),
        tempo_bpm=_tempos(options),
        chart=_chart(options),
        wish=_asking(wish, wishes),
    )


def _infill(score: Score, model: Bundle, options: Options, wish: Wish) -> list[Take]:
    parts, wishes = _chosen(score, options.parts)
    bars = _bars(options, score)
    return compose.infill(
        score,
        model,
        first_bar=bars.start,
        end_bar=bars.stop,
        parts=parts,
        locks=locked_notes(score, options.locks),
        wish=_asking(wish, wishes),
    )


def _accompany(score: Score, model: Bundle, options: Options, wish: Wish) -> list[Take]:
    wishes = _new_parts(options)
    return compose.accompany(
        score,
        model,
        new_parts=[compose.player(part) for part in wishes],
        chart=_chart(options),
        wish=_asking(wish, dict(enumerate(wishes, start=len(score.parts)))),
    )


def _rewrite(score: Score, model: Bundle, options: Options, wish: Wish) -> list[Take]:
    parts, wishes = _chosen(score, options.parts)
    if len(options.parts) != 1:
        msg = f"{len(options.parts)} parts are named; rewrite writes one anew: name it"
        raise EngineError(msg)
    return compose.rewrite(
        score,
        model,
        part=(parts or (0,))[0],
        locks=locked_notes(score, options.locks),
        wish=_asking(wish, wishes),
    )


def _vary(score: Score, model: Bundle, options: Options, wish: Wish) -> list[Take]:
    parts, wishes = _chosen(score, options.parts)
    bars = _bars(options, score)
    return compose.vary(
        score,
        model,
        change=options.change / PERCENT,
        first_bar=bars.start,
        end_bar=bars.stop,
        parts=parts,
        locks=locked_notes(score, options.locks),
        wish=_asking(wish, wishes),
    )


_ABOUT_A_SCORE = {
    "continue": _continue,
    "infill": _infill,
    "accompany": _accompany,
    "rewrite": _rewrite,
    "vary": _vary,
    "harmonise": _harmonise,
}

_FROM_NOTHING = {"compose": _compose, "arrange": _arrange}

TASKS = (*_FROM_NOTHING, *_ABOUT_A_SCORE, "loop")


def _wish(options: Options, model: Bundle) -> Wish:
    """Return how it is to be written, whatever the task and the parts."""
    choose(options.key_mode, KEY_MODES, "key mode")
    styles = model.vocabulary.styles
    style = styles.index(choose(options.style, styles, "style")) + 1 if options.style else 0
    return Wish(
        n_takes=options.takes,
        seed=options.seed,
        sampling=options.sampling(),
        prompt_bars=options.prompt_bars,
        style=style,
        repetition=options.repetition,
        novelty=options.novelty,
        bounds=Bounds(
            scale=_scales(options),
            is_nudged=options.key_mode == "nudge",
            rhythm=choose(options.rhythm.lower(), RHYTHMS, "rhythm"),
        ),
    )


def _asking(wish: Wish, parts: Mapping[int, PartWish]) -> Wish:
    """Return a wish that asks something of the parts as well."""
    return replace(wish, bounds=replace(wish.bounds, parts=parts))


def _chart(options: Options) -> Chart | None:
    return parse_chart(options.chart) if options.chart else None


def _scales(options: Options) -> dict[int, Scale]:
    return parse_course(options.key, parse_scale, "key") if options.key else {}


def _keys(options: Options) -> dict[int, tuple[int, bool]]:
    """Return by bar tonic and whether it is minor, of scales that are one or the other."""
    return {
        bar: (scale.tonic, scale.key > N_PITCH_CLASSES)
        for bar, scale in _scales(options).items()
        if scale.key
    }


def _metres(options: Options) -> dict[int, tuple[int, int]]:
    """Return by bar numerator and denominator."""

    def read(text: str) -> tuple[int, int]:
        metre = parse_metre(text)
        return int(NUMERATOR_OF[metre]), int(DENOMINATOR_OF[metre])

    return parse_course(options.metre, read, "metre") if options.metre else {}


def _tempos(options: Options) -> dict[int, float]:
    return parse_course(options.tempo, parse_tempo, "tempo") if options.tempo else {}


def _only(what: str, course: Mapping[int, Value], default: Value) -> Value:
    """Return the one value of a course.

    Raises:
        EngineError: If there are others.
    """
    if course.keys() - {0}:
        msg = f"the {what} changes at a bar; a loop has one {what}, for it comes round again"
        raise EngineError(msg)
    return course.get(0, default)


def _n_bars(options: Options) -> int:
    """Return how many bars are to be written.

    Raises:
        EngineError: If that is no number, none, or too many.
    """
    n_bars = parse_number(options.bars, "bars") if options.bars else DEFAULT_BARS
    if not 1 <= n_bars <= MAX_BARS:
        msg = f"bars is {n_bars}; it must be 1 to {MAX_BARS}"
        raise EngineError(msg)
    return n_bars


def bars_behind(options: Options) -> tuple[int | None, int]:
    """Return the first of the bars to be written, None if only their number is said, and it.

    Raises:
        EngineError: If they are none, or too many.
    """
    first, dash, _ = options.bars.partition("-")
    if not (dash and first.strip()):
        return None, _n_bars(options)
    bars = parse_bars(options.bars, MOST_BARS_OF_A_SCORE)
    return bars.start, _n_bars(replace(options, bars=str(len(bars))))


def _bars(options: Options, score: Score) -> range:
    n_bars = compose.n_bars_played(score)
    return parse_bars(options.bars, n_bars) if options.bars else range(n_bars)


def _new_parts(options: Options) -> list[PartWish]:
    """Return the parts that are asked for; a bass plays one note at a time unless told."""
    wishes = [parse_part(text) for text in options.parts]
    return [
        replace(wish, polyphony=(1, 1))
        if wish.role is Role.BASS and wish.polyphony is None
        else wish
        for wish in wishes
    ]


def _chosen(
    score: Score, texts: Sequence[str]
) -> tuple[tuple[int, ...] | None, dict[int, PartWish]]:
    """Return the parts of a score that are meant, None for all, and what is wished of them.

    Each text is the number of a part, counted from 1, or its name or instrument, with wishes
    behind a colon as for a new part.
    """
    parts, wishes = [], {}
    for text in texts:
        which, colon, asked = text.partition(":")
        part = find_part(score.parts, which.strip())
        parts.append(part)
        if colon:
            instrument = instrument_name(program_of(score.parts[part]))
            wishes[part] = parse_part(f"{instrument}:{asked}")
    return tuple(parts) or None, wishes
