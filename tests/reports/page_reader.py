"""A page as its elements, addresses and text, for the tests of what a report shows."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser

ATTACK = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&$title ${x}"
VOID = {"meta", "link", "input", "br"}


class Page(HTMLParser):
    """Counts elements, checks that they close, and collects addresses, ids and text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: Counter[str] = Counter()
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.ids: Counter[str] = Counter()
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        for name, value in attrs:
            if name in {"src", "href", "action", "srcset", "data", "xlink:href"}:
                self.addresses.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)
            if name == "id":
                self.ids[value or ""] += 1
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)


def sections(text: str) -> list[str]:
    return re.findall(r'<section id="([a-z]+)"', text)
