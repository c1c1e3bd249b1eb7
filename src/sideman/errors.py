"""Every error this package raises on purpose.

    SidemanError
    ├── ScoreError          a value no score can hold                 (a ValueError too)
    │   └── MidiFileError       a file that is not a readable Standard MIDI File
    ├── TokenError          ids, names or events the vocabulary does not know
    ├── CorpusError         a folder of music, or shards, that cannot be used
    ├── RecipeError         a training recipe that contradicts itself
    ├── BundleError         a model bundle that is missing, corrupt or too new
    ├── EngineError         generation cannot go on
    │   ├── PromptTooLong       the prompt does not fit the context
    │   └── DeadlineMissed      the player needed notes before they were ready
    ├── EvaluationError     results, takes or answers that cannot be used
    ├── LiveError           settings, ports or sessions of live play that cannot be used
    ├── StudioError         the page's server cannot start, or is asked for what it cannot do
    ├── AudioError          sound cannot be made or read
    ├── OutputExists        a file that would be overwritten           (a FileExistsError too)
    └── MissingExtra        a part of Sideman that is not installed    (an ImportError too)

The command line turns each into one line on stderr and exit status 2. Anything
else that escapes is a bug, and keeps its traceback.
"""

from __future__ import annotations

from pathlib import Path


class SidemanError(Exception):
    """Base of every error raised on purpose; catch this one at an edge."""


class ScoreError(SidemanError, ValueError):
    """A value that no score can hold, such as pitch 128."""


class MidiFileError(ScoreError):
    """A file that is not a readable Standard MIDI File.

    Attributes:
        reason: Code of the rule the file breaks, such as `"not-midi"`; a corpus
            report counts files by it.
        path: The file, or None where the bytes came from elsewhere.

    Example:
        >>> error = MidiFileError("a.mid: is a web page", reason="not-midi", path=Path("a.mid"))
        >>> str(error), error.reason, error.path.name
        ('a.mid: is a web page', 'not-midi', 'a.mid')
    """

    def __init__(
        self, message: str, *, reason: str = "unreadable", path: Path | None = None
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        """Keep `reason` and `path` on the way back from a worker process."""
        return type(self), self.args, {"reason": self.reason, "path": self.path}


class TokenError(SidemanError, ValueError):
    """An id, a name or an event that the vocabulary does not know."""


class CorpusError(SidemanError):
    """A folder of music, or shards made from one, that cannot be used."""


class RecipeError(SidemanError, ValueError):
    """A training recipe that names an unknown setting or contradicts itself."""


class BundleError(SidemanError):
    """A model bundle that is missing, corrupt, or newer than this program."""


class EngineError(SidemanError):
    """Generation cannot go on."""


class PromptTooLong(EngineError):
    """The prompt does not fit into what the model can see at once."""


class DeadlineMissed(EngineError):
    """The player needed notes before they were ready."""


class EvaluationError(SidemanError):
    """Results of an evaluation, takes, or answers of listeners that cannot be used."""


class LiveError(SidemanError):
    """Settings, ports or recorded sessions of live play that cannot be used."""


class StudioError(SidemanError):
    """The page's server cannot start, or is asked for what it cannot do."""


class AudioError(SidemanError):
    """Sound cannot be made or read."""


class OutputExists(SidemanError, FileExistsError):
    """A file that would be overwritten, and nobody said that it may be."""


class MissingExtra(SidemanError, ImportError):
    """A part of Sideman that is not installed, such as training."""
