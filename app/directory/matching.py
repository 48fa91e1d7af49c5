"""The part of a clinic's policy that says whose a number is where the directory alone does not, and
what becomes of strangers. Pure: `policy` has it as a section, matching goes by it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Matching(BaseModel):
    """What decides where several clients share a number, and what follows where nobody has it."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)

    shared: Literal["ask", "primary", "most_recently_active", "all"] = "ask"
    """'all' writes a note to each of them, and tasks to the primary one alone."""
    by_name: bool = False
    """Whether the caller's name decides where it is clearly one client's of those who share it."""
    name_score: int = Field(default=85, ge=50, le=100)
    """How alike the two names must be at least, of 100."""
    name_lead: int = Field(default=15, ge=1, le=100)
    """By how much the next client's name must be less alike."""
    remember_days: int = Field(default=180, ge=1, le=3650)
    """How long a person's pick for a shared number is remembered."""
    unknown: Literal["wait", "create", "ignore"] = "wait"
    """'create' makes a client in the PMS of a caller whom nobody knows; 'ignore' leaves what they
    want alone for good, whoever they turn out to be."""
    backlog: Literal["entries", "digest"] = "entries"
    """What has waited for its client becomes entries as ever, or one note that tells of it all."""
    backlog_days: int = Field(default=30, ge=1, le=3650)
    """What has waited longer for its client is not written any more."""
