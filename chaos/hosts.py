"""The hosts that Ringnote runs on: each a folder in which its clock and its disk are told."""

from dataclasses import dataclass
from pathlib import Path

from .launch import CLOCK, DROWSY, FULL, UNFENCED


@dataclass(frozen=True, slots=True)
class Host:
    """One machine, for the processes that are launched with its folder."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, *, fenced: bool) -> "Host":
        folder.mkdir(parents=True)
        if not fenced:
            (folder / UNFENCED).touch()
        return cls(folder)

    def set_clock(self, ahead: float) -> None:
        """Have its clock be `ahead` seconds ahead (or behind, below 0) from now on."""
        new = self.folder / "clock.new"
        new.write_text(str(ahead))
        new.replace(self.folder / CLOCK)

    def fill_disk(self) -> None:
        (self.folder / FULL).touch()

    def free_disk(self) -> None:
        (self.folder / FULL).unlink(missing_ok=True)

    def make_drowsy(self) -> None:
        (self.folder / DROWSY).touch()

    @property
    def is_drowsy(self) -> bool:
        """Whether somebody is still to stop itself."""
        return (self.folder / DROWSY).exists()

    def rouse(self) -> None:
        (self.folder / DROWSY).unlink(missing_ok=True)
