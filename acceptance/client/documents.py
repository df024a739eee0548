"""HTML as a browser reads it before any script runs."""

from __future__ import annotations

from html.parser import HTMLParser

HIDDEN = ("script", "style", "template", "title")


class Document(HTMLParser):
    """A document's visible text, without scripts, styles and templates, and the identifiers of its elements."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.text = ""
        self.ids: set[str] = set()
        self._hidden = 0
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember the element's identifier, and what is hidden from here on."""
        self.ids |= {value for name, value in attrs if name == "id" and value}
        self._hidden += tag in HIDDEN

    def handle_endtag(self, tag: str) -> None:
        """End what is hidden."""
        self._hidden -= tag in HIDDEN

    def handle_data(self, data: str) -> None:
        """Collect visible text."""
        if not self._hidden:
            self.text += data
