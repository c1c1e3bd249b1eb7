"""The screen in the terminal: what came in, what is planned, how well it goes, and every key.

The music moves from right to left. Left of the bright line is what sounded; right of it is the
plan, darker as long as it may still change. Whatever may be set stands on the right: it is
written over after Enter, and `l` gives it to the next knob that moves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import ClassVar, Protocol

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from sideman.engine.pitches import pitch_name
from sideman.errors import LiveError
from sideman.live.control import Command, Learn, key_command, key_of, wished
from sideman.live.fallback import Fallback
from sideman.live.inout import Report
from sideman.live.news import News, Place
from sideman.live.settings import ACTIONS, MODES, SETTINGS, Settings, setting_text
from sideman.live.view import Quantiles, SeenNote
from sideman.score.types import MAX_DATA_BYTE, TPQ

LOOK_S = 0.05
"""How often is looked for something new to show."""

TICKS_PER_COLUMN = TPQ // 4
"""What one column of the roll shows: a sixteenth."""

PAST_SHARE = 0.6
"""Part of the roll that shows what was."""

GUTTER = 5
"""Columns for names of notes."""

MIDDLE_PITCH = 62
"""What is in the middle before there are notes."""

SEMITONES_PER_OCTAVE = 12
KEYS_SHOWN = {"escape": "esc", "backspace": "⌫", "delete": "del"}
MESSAGES_KEPT = 2

GROUND, BAR_LINE, NOW_LINE = "#12161c", "#222932", "#8b95a3"
HUMAN = "#4fb3ff"
MACHINE = {"sounded": "#ff9a3c", "committed": "#ffd8ad", "planned": "#8a5524"}
"""Colours. The two of notes are told apart by every kind of eye (blue and orange); what is
ordered and about to sound is the lightest, what may still change the darkest."""

LEGEND = (
    (HUMAN, "you"),
    (MACHINE["sounded"], "Sideman"),
    (MACHINE["committed"], "ordered"),
    (MACHINE["planned"], "planned"),
)

_MS_PER_S = 1000


class Performance(Protocol):
    """The session that is shown (`sideman.live.app.Performance`)."""

    news: News | None
    report: Report | None
    has_ended: bool

    @property
    def n_restarts(self) -> int:
        """How often the improviser had to be started anew."""

    def tell(self, command: Command) -> None:
        """Do what the player wants."""

    def turn(self, timeout_s: float) -> list[str]:
        """Go on, and return what to say."""


def show(performance: Performance) -> None:
    """Show a session until it ends.

    Raises:
        LiveError: If the session cannot go on.
    """
    screen = LiveScreen(performance)
    screen.run()
    if screen.error:
        raise screen.error


# ------------------------------------------------------------------------ the roll


@dataclass(frozen=True, slots=True)
class Window:
    """What a roll of some size shows.

    Attributes:
        now: The tick that sounds.
        low: Lowest note; each row shows two.
        columns: Of notes, without the gutter.
        rows: Of notes.
    """

    now: int
    low: int
    columns: int
    rows: int

    @property
    def now_column(self) -> int:
        """Where now is."""
        return int(self.columns * PAST_SHARE)

    def column(self, tick: int) -> int:
        """Return the column of a tick, be it in the window or not."""
        return self.now_column + tick // TICKS_PER_COLUMN - self.now // TICKS_PER_COLUMN

    def span(self, note: SeenNote) -> range:
        """Return the columns of a note that are in the window; a held one lasts until now."""
        end = self.now if note.duration is None else note.onset + note.duration
        first = self.column(note.onset)
        last = max(self.column(end - 1), first)
        return range(max(first, 0), min(last + 1, self.columns))

    def bar_lines(self, place: Place) -> dict[int, int]:
        """Return bars by the columns of their lines, as far as they are seen."""
        column_ticks = place.bar_ticks // TICKS_PER_COLUMN
        before = self.now_column // column_ticks + 1
        after = (self.columns - self.now_column) // column_ticks + 1
        lines = {
            self.column(place.bar_begin + n * place.bar_ticks): place.bar + n
            for n in range(-before, after + 1)
        }
        return {column: bar for column, bar in lines.items() if 0 <= column < self.columns}


def fitting(low: int, pitches: Sequence[int], n: int) -> int:
    """Return the lowest of `n` notes to show: moved no further than the notes demand."""
    if pitches:
        low = min(low, min(pitches))
        low = max(low, max(pitches) - n + 1)
    return min(max(low, 0), max(MAX_DATA_BYTE + 1 - n, 0))


def colours(notes: Iterable[SeenNote], window: Window) -> dict[tuple[int, int], str]:
    """Return the colours of notes by column and MIDI note; later notes lie over others."""
    painted = {}
    for note in notes:
        colour = HUMAN if note.is_human else MACHINE[note.state]
        painted.update({(column, note.pitch): colour for column in window.span(note)})
    return painted


class Roll(Widget):
    """What sounds and what is planned, as a piano roll that runs."""

    DEFAULT_CSS = f"Roll {{ width: 1fr; background: {GROUND}; }}"

    def __init__(self) -> None:
        super().__init__()
        self._low: int | None = None
        self._lines: list[Strip] = []
        self._shown: object = None

    def show(self, news: News) -> None:
        """Draw anew, if anything is to be seen elsewhere than before."""
        view = news.view
        seen = (view.now // TICKS_PER_COLUMN, view.notes, self.size)
        if seen == self._shown:
            return
        self._shown = seen
        rows, columns = max(self.size.height - 2, 1), max(self.size.width - GUTTER, 1)
        low = MIDDLE_PITCH - rows if self._low is None else self._low
        window = Window(view.now, low, columns, rows)
        notes = [note for note in view.notes if window.span(note)]
        self._low = fitting(low, [note.pitch for note in notes], 2 * rows)
        window = replace(window, low=self._low)
        self._lines = list(_drawn(notes, window, news.place))
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return one line of the terminal."""
        line = self._lines[y] if y < len(self._lines) else Strip([])
        return line.adjust_cell_length(self.size.width, Style(bgcolor=GROUND))


def _drawn(notes: Sequence[SeenNote], window: Window, place: Place) -> Iterator[Strip]:
    """Yield the lines of the roll: numbers of bars, two notes each, what the colours mean."""
    lines = window.bar_lines(place)
    ruler = [" "] * (window.columns + GUTTER)
    for column, bar in lines.items():
        for offset, character in enumerate(f"{bar + 1}"):
            if GUTTER + column + offset < len(ruler):
                ruler[GUTTER + column + offset] = character
    yield Strip([Segment("".join(ruler), Style(color="#8b95a3", bgcolor=GROUND))])

    ground = [BAR_LINE if column in lines else GROUND for column in range(window.columns)]
    ground[window.now_column] = NOW_LINE
    painted = colours(notes, window)
    for row in range(window.rows):
        upper = window.low + 2 * (window.rows - row) - 1
        cells = [
            (painted.get((column, upper), under), painted.get((column, upper - 1), under))
            for column, under in enumerate(ground)
        ]
        yield Strip([_name(upper), *_cells(cells)])

    legend = [Segment(" " * GUTTER, Style(bgcolor=GROUND))]
    for colour, meaning in LEGEND:
        legend += [
            Segment("██ ", Style(color=colour, bgcolor=GROUND)),
            Segment(f"{meaning}   ", Style(color="#c5ccd6", bgcolor=GROUND)),
        ]
    yield Strip(legend)


def _name(upper: int) -> Segment:
    """Return the name of the C of a row, if it has one."""
    octave = [n for n in (upper, upper - 1) if n % SEMITONES_PER_OCTAVE == 0]
    name = pitch_name(octave[0]) if octave and octave[0] <= MAX_DATA_BYTE else ""
    return Segment(f"{name:>{GUTTER - 1}} ", Style(color="#8b95a3", bgcolor=GROUND))


def _cells(cells: Iterable[tuple[str, str]]) -> Iterator[Segment]:
    """Yield cells of two notes each, like ones together."""
    for (above, below), run in groupby(cells):
        yield Segment("▀" * len(list(run)), Style(color=above, bgcolor=below))


# ---------------------------------------------------------------------- the screen


class LiveScreen(App[None]):
    """The screen of a session.

    Attributes:
        error: Why the session ended, if it could not go on.
    """

    CSS = """
    Screen { background: #12161c; }
    #side { width: 42; border-left: solid #2c343f; }
    #state { height: auto; padding: 0 1; }
    OptionList, OptionList:focus {
        height: 1fr; border: none; padding: 0 1; background: #12161c; scrollbar-size: 1 1;
        background-tint: transparent;
    }
    Input { display: none; }
    Input.asked { display: block; }
    #keys, #said { height: auto; padding: 0 1; color: #c5ccd6; }
    #said { color: #ffd8ad; }
    """
    BINDINGS: ClassVar[list[Binding | tuple[str, str] | tuple[str, str, str]]] = [
        ("ctrl+c,ctrl+q,q", "end", "end"),
        ("l", "learn", "learn"),
    ]
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, performance: Performance) -> None:
        super().__init__()
        self.error: LiveError | None = None
        self._performance = performance
        self._said: list[str] = ["starting"]
        self._shown: object = None
        self._roll = Roll()
        self._state = Static(id="state")
        self._settings = OptionList(*(Option(name, id=name) for name in SETTINGS))
        self._value = Input()
        self._saying = Static(id="said")
        self._keys = Static(id="keys")
        self._written: dict[Static, Text] = {}

    def compose(self) -> ComposeResult:
        """Yield the parts of the screen."""
        with Horizontal():
            yield self._roll
            with Vertical(id="side"):
                yield self._state
                yield self._settings
                yield self._value
        yield self._saying
        yield self._keys

    def on_mount(self) -> None:
        """Begin to look for something new."""
        self._settings.focus()
        self.set_interval(LOOK_S, self._look)

    def on_key(self, event: events.Key) -> None:
        """Do what a key says, unless a value is being written."""
        if self._is_asking:
            if event.key == "escape":
                self._ask(asks=False)
            return
        news = self._performance.news
        command = key_command(event.key, news.settings) if news else None
        if command:
            self._performance.tell(command)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Ask for the value of a setting."""
        news, name = self._performance.news, event.option_id
        if news and name:
            self._value.value = setting_text(name, getattr(news.settings, name))
            self._said.append(f"{name}: {SETTINGS[name].kind.rule}")
            self._ask(asks=True)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Set what was written, or say why not."""
        name = self._highlighted
        try:
            command = wished(name, event.value) if name else None
        except LiveError as error:
            self._said.append(str(error))
            return
        if command:
            self._performance.tell(command)
        self._ask(asks=False)

    def action_learn(self) -> None:
        """Give what is marked to the next knob that moves."""
        name = self._highlighted
        if name and not self._is_asking:
            self._performance.tell(Learn(name))

    def action_end(self) -> None:
        """End the session."""
        self._performance.has_ended = True

    @property
    def _is_asking(self) -> bool:
        return self._value.has_class("asked")

    @property
    def _highlighted(self) -> str | None:
        option = self._settings.highlighted_option
        return option.id if option else None

    def _ask(self, *, asks: bool) -> None:
        """Let a value be written, or go back to the list."""
        self._value.set_class(asks, "asked")
        (self._value if asks else self._settings).focus()

    def _look(self) -> None:
        """Let the session go on, and show what is new."""
        try:
            self._said += self._performance.turn(0.0)
        except LiveError as error:
            self.error = error
        if self.error or self._performance.has_ended:
            self.exit()
            return
        del self._said[:-MESSAGES_KEPT]
        self._write(self._saying, Text("\n".join(self._said)))
        news = self._performance.news
        if news:
            self._roll.show(news)
            performance = self._performance
            state = state_text(news, performance.report, performance.n_restarts)
            self._write(self._state, state)
            self._show_settings(news)

    def _write(self, place: Static, text: Text) -> None:
        """Write a text, if another stands there."""
        if self._written.get(place) != text:
            self._written[place] = text
            place.update(text)

    def _show_settings(self, news: News) -> None:
        """Write what changed of the settings, and the keys if the mode did."""
        shown = (news.settings, news.knobs, news.waiting)
        if shown == self._shown:
            return
        self._shown = shown
        knobs = {name: f"knob {knob}" for knob, name in news.knobs.items()}
        if news.waiting:
            knobs[news.waiting] = "move a knob"
        for name in SETTINGS:
            value = setting_text(name, getattr(news.settings, name))
            text = Text(f"{name:<21}{value}")
            if name in knobs:
                text.append(f"  {knobs[name]}", "italic #8b95a3")
            self._settings.replace_option_prompt(name, text)
        self._keys.update(keys_text(news.settings))


def state_text(news: News, report: Report | None, n_restarts: int) -> Text:
    """Return where the music is and how well it goes."""
    view, place, meters = news.view, news.place, news.view.meters
    beat = (view.now - place.bar_begin) // place.beat_ticks + 1
    text = Text()
    text.append(f"{view.mode}", "bold #ff9a3c")
    text.append(f"   bar {view.bar + 1}.{beat}   ♩ = {place.tempo_bpm:.0f}\n")
    text.append(f"key {view.key or '–':<14} chord {view.chord or '–'}\n\n", "#c5ccd6")
    rows = [
        ("answers after", _quantiles(meters.response)),
        ("plan is behind", _quantiles(meters.staleness)),
        ("model", f"{meters.events_per_s:.0f} events/s"),
        ("left out", f"{meters.dropped} of {meters.played + meters.dropped} notes"),
    ]
    if report:
        line = report.lines[0]
        late = f"{line.late_p50_s * _MS_PER_S:.1f} / {line.late_p99_s * _MS_PER_S:.1f} ms"
        rows += [("notes late", late), ("port", line.trouble or line.name)]
    if n_restarts:
        rows.append(("restarts", f"{n_restarts}"))
    for name, value in rows:
        text.append(f"{name:<15}", "#8b95a3")
        text.append(f"{value}\n")
    if meters.fallback is not Fallback.NONE:
        step = meters.fallback.name.lower().replace("_", " ")
        text.append(f" {step}: the model is too slow \n", "bold #12161c on #ffd8ad")
    return text


def keys_text(settings: Settings) -> Text:
    """Return what the keys do; the mode that is on is marked."""
    text = Text()
    for mode in MODES:
        text.append(f" {key_of(mode)} {mode} ", "reverse" if mode == settings.mode else "")
        text.append(" ")
    text.append("\n")
    switched = [name for name, setting in SETTINGS.items() if setting.key]
    for name in (*ACTIONS, *switched):
        key = key_of(name)
        style = "bold #ffd8ad" if name == "panic" else ""
        text.append(f" {KEYS_SHOWN.get(key, key)} {name.replace('_', ' ')} ", style)
    text.append(" enter set   l learn knob   q end")
    return text


def _quantiles(values: Quantiles) -> str:
    if values.p50_s is None or values.p99_s is None:
        return "–"
    return f"{values.p50_s * _MS_PER_S:.0f} / {values.p99_s * _MS_PER_S:.0f} ms"
