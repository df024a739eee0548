"""HTML as a browser has it before any script runs: its text, its links, and its forms and controls with their names."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass

from lxml.etree import strip_elements
from lxml.html import HtmlElement, HTMLParser, document_fromstring

HIDDEN = ("script", "style", "template", "title")
"""Elements whose content is not shown."""
BUTTONS = ("submit", "button", "reset", "image")
CHECKED = ("checkbox", "radio")


class Document:
    """A page's HTML: the text that is shown, the identifiers of all elements, where links lead, and the scripts."""

    def __init__(self, source: str) -> None:
        content = f"<html>{source}".encode(errors="replace")  # lxml takes an empty document for an error
        self._root = document_fromstring(content, parser=HTMLParser(encoding="utf-8"))
        self.ids: set[str] = {each.get("id") for each in self._root.iter() if each.get("id")}
        self.links: list[str] = [each.get("href") for each in self._root.iter("a") if each.get("href")]
        self.scripts: list[str] = [each.get("src") for each in self._root.iter("script") if each.get("src")]
        strip_elements(self._root, *HIDDEN, with_tail=False)
        self.text = str(self._root.text_content())

    def forms(self) -> list[HtmlElement]:
        """Return the forms in their order."""
        return list(self._root.iter("form"))

    def controls(self) -> list[Control]:
        """Return the controls in their order, in a form or not."""
        forms = {form.get("id"): form for form in reversed(self.forms())}
        labels = {label.get("for"): label for label in reversed(list(self._root.iter("label")))}
        found = []
        for element in self._root.iter("input", "button", "select", "textarea"):
            form = next(element.iterancestors("form"), None)
            label = next((each for each in element.iterancestors("label") if "for" not in each.attrib), None)
            if "form" in element.attrib:
                form = forms.get(element.get("form"))
            if "id" in element.attrib:
                label = labels.get(element.get("id"), label)
            found.append(Control(element, form, label))
        return found


@dataclass(frozen=True)
class Control:
    """A field or button, the form that it belongs to, which need not be around it, and its label."""

    element: HtmlElement
    form: HtmlElement | None
    label: HtmlElement | None

    @property
    def attributes(self) -> Mapping[str, str]:
        """The element's attributes."""
        attributes: Mapping[str, str] = self.element.attrib
        return attributes

    @property
    def kind(self) -> str:
        """The type of an input or button, in lower case; the tag of any other control."""
        tag = str(self.element.tag)
        if tag not in ("input", "button"):
            return tag
        return self.attributes.get("type", "").lower() or ("submit" if tag == "button" else "text")

    @property
    def enabled(self) -> bool:
        """Whether it can be used, and is sent."""
        return "disabled" not in self.attributes

    @property
    def values(self) -> list[str]:
        """What it sends as long as it is not changed; a button sends nothing."""
        if self.kind in (*BUTTONS, "file"):
            return []
        if self.kind in CHECKED:
            return [self.attributes.get("value", "on")] if "checked" in self.attributes else []
        if self.kind == "textarea":
            return [str(self.element.text_content()).removeprefix("\n")]
        if self.kind == "select":
            return [each.get("value", _words(each)) for each in self._chosen() if "disabled" not in each.attrib]
        return [self.attributes.get("value", "")]

    def _chosen(self) -> list[HtmlElement]:
        options = list(self.element.iter("option"))
        chosen = [each for each in options if "selected" in each.attrib]
        if "multiple" in self.attributes:
            return chosen
        return chosen[-1:] or [each for each in options if "disabled" not in each.attrib][:1]

    @property
    def name(self) -> str:
        """Its accessible name; empty if it has none."""
        if stated := " ".join(self.attributes.get("aria-label", "").split()):
            return stated
        if self.element.tag == "button" and (shown := _words(self.element)):
            return shown
        if self.label is not None and (shown := _words(self.label)):
            return shown
        if self.element.tag == "input" and self.kind in ("submit", "button", "reset"):
            return self.attributes.get("value", self.kind.capitalize())
        return self.attributes.get("placeholder", "")


def _words(element: HtmlElement) -> str:
    """Return the text that an element shows, with single spaces; a label's text is without that of its controls."""
    if element.tag == "label":
        element = deepcopy(element)
        strip_elements(element, "button", "select", "textarea", with_tail=False)
    return " ".join(element.text_content().split())
