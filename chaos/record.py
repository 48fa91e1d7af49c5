"""What was posted, and what of it was acknowledged: the suite's own record, which it reckons by."""

import json
import re
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from ringnote.clock import utc_now
from ringnote.sandbox.phones import FORM, Webhook

NUMBER = re.compile(rb'(?:&|")chaosPost(?:=|": ")(\d+)')


@dataclass(slots=True)
class Post:
    """One posting of a webhook. Its number is in its body, where Ringnote does not look."""

    number: int
    clinic: str
    """The clinic's containerId."""
    webhook: Webhook
    acknowledged_at: datetime | None = None

    @property
    def body(self) -> bytes:
        return stamp(self.webhook, self.number)


@dataclass
class Record:
    """Every post there was. Shared by threads."""

    posts: dict[int, Post] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, clinic: str, webhook: Webhook) -> Post:
        with self._lock:
            post = Post(len(self.posts) + 1, clinic, webhook)
            self.posts[post.number] = post
            return post

    def end(self, post: Post, answer: str) -> None:
        """Note what a post was answered; only 'accepted' acknowledges it."""
        with self._lock:
            self.answers[answer] += 1
            if answer == "accepted":
                post.acknowledged_at = utc_now()

    def acknowledged(self) -> Iterable[Post]:
        return [post for post in self.posts.values() if post.acknowledged_at]


def stamp(webhook: Webhook, number: int) -> bytes:
    """The webhook's body with a post's number in it."""
    if webhook.content_type == FORM:
        return webhook.body + b"&chaosPost=%d" % number
    return json.dumps({**json.loads(webhook.body), "chaosPost": str(number)}).encode()


def read_number(body: bytes) -> int | None:
    """The number of the post that a body came with."""
    found = NUMBER.search(body)
    return int(found[1]) if found else None
