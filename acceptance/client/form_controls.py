"""The forms and controls of a page's HTML, as a browser without scripts has them: their names and what they send."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

WITH_TEXT = ("label", "button", "select", "option", "textarea")
"""Elements whose text counts: as a name, or as a value."""
BUTTONS = ("submit", "button", "reset", "image")
CHECKED = ("checkbox", "radio")


@dataclass
class Element:
    """An element with its attributes and its text, and the form and the label that are around it."""

    tag: str
    attributes: dict[str, str]
    form: Element | None = None
    label: Element | None = None
    text: str = ""
    options: list[Element] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """The type of an input or button, in lower case; the tag of any other control."""
        if self.tag not in ("input", "button"):
            return self.tag
        return self.attributes.get("type", "").lower() or ("submit" if self.tag == "button" else "text")

    @property
    def enabled(self) -> bool:
        """Whether it can be used, and is sent."""
        return "disabled" not in self.attributes

    @property
    def words(self) -> str:
        """The text with single spaces, as it is shown."""
        return " ".join(self.text.split())

    @property
    def values(self) -> list[str]:
        """What the control sends as long as nobody changes it; none of a button."""
        if self.kind in (*BUTTONS, "file"):
            return []
        if self.kind in CHECKED:
            return [self.attributes.get("value", "on")] if "checked" in self.attributes else []
        if self.kind == "textarea":
            return [self.text.removeprefix("\n")]
        if self.kind == "select":
            return [option.attributes.get("value", option.words) for option in self._chosen() if option.enabled]
        return [self.attributes.get("value", "")]

    def _chosen(self) -> list[Element]:
        chosen = [option for option in self.options if "selected" in option.attributes]
        if "multiple" in self.attributes:
            return chosen
        return chosen[-1:] or [option for option in self.options if option.enabled][:1]


class ControlParser(HTMLParser):
    """Collects the forms of a page and its controls in their order; each control knows its form."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.forms: list[Element] = []
        self.controls: list[Element] = []
        self._form: Element | None = None
        self._open: list[Element] = []
        """The elements of `WITH_TEXT` that have begun, the innermost last."""
        self._labels: dict[str, Element] = {}
        """By the identifiers of the controls that they are for."""
        self.feed(source)
        self.close()
        identified = {form.attributes["id"]: form for form in self.forms if "id" in form.attributes}
        for control in self.controls:
            if "form" in control.attributes:
                control.form = identified.get(control.attributes["form"])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a form, a control or a label."""
        element = Element(tag, {name: value or "" for name, value in attrs}, self._form, self._label())
        if tag == "form" and self._form is None:
            self._form = element
            self.forms.append(element)
        elif tag == "option":
            self.handle_endtag("option")  # whose end tag is optional
            if self._open and self._open[-1].tag == "select":
                self._open[-1].options.append(element)
        elif tag == "label" and "for" in element.attributes:
            self._labels.setdefault(element.attributes["for"], element)
        if tag in ("input", "button", "select", "textarea"):
            self.controls.append(element)
        if tag in WITH_TEXT:
            self._open.append(element)

    def handle_data(self, data: str) -> None:
        """Add to the text of the innermost element."""
        if self._open:
            self._open[-1].text += data

    def handle_endtag(self, tag: str) -> None:
        """End a form, or the innermost element."""
        if tag == "form":
            self._form = None
        if tag == "select":
            self.handle_endtag("option")
        if self._open and self._open[-1].tag == tag:
            self._open.pop()

    def name(self, control: Element) -> str:
        """The accessible name of a control; empty if it has none."""
        given = control.attributes
        if stated := given.get("aria-label", "").strip():
            return " ".join(stated.split())
        if control.tag == "button" and control.words:
            return control.words
        label = self._labels.get(given.get("id", ""), control.label)
        if label and label.words:
            return label.words
        if control.tag == "input" and control.kind in ("submit", "button", "reset"):
            return given.get("value", control.kind.capitalize())
        return given.get("placeholder", "")

    def _label(self) -> Element | None:
        """The label that is open, unless it is for a control that it names."""
        return next((each for each in self._open if each.tag == "label" and "for" not in each.attributes), None)
