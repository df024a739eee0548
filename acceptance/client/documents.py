"""HTML as a browser reads it before any script runs."""

from __future__ import annotations

from html.parser import HTMLParser

HIDDEN = ("script", "style", "template", "title")


class Document(HTMLParser):
    """A document's visible text, without scripts, styles and templates, its elements' identifiers, and its links."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.text = ""
        self.ids: set[str] = set()
        self.links: list[str] = []
        self._hidden = 0
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember the element's identifier and where it leads, and what is hidden from here on."""
        self.links += [value for name, value in attrs if tag == "a" and name == "href" and value]
        self.ids |= {value for name, value in attrs if name == "id" and value}
        self._hidden += tag in HIDDEN

    def handle_endtag(self, tag: str) -> None:
        """End what is hidden."""
        self._hidden -= tag in HIDDEN

    def handle_data(self, data: str) -> None:
        """Collect visible text."""
        if not self._hidden:
            self.text += data
