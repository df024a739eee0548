"""Texts that are often stored, sent or shown wrongly, each valid as a title, a name or a message."""

from __future__ import annotations

from collections.abc import Mapping

ODD_TEXTS: Mapping[str, str] = {
    "apostrophes": "O'Brien's and ''twice''",
    "quotes": '"straight", “curly” and `back`',
    "markup": '<b id="{id}">bold</b> <img src=x id={id} onerror=alert(1)>',
    "a script's end": "</script></textarea></title><script id={id}>alert(1)</script>",
    "entities": "&amp; &lt;b&gt; &#39; AT&T",
    "SQL": "'); DELETE FROM task; --",
    "backslashes": "C:\\new\\table \\' \\u0041 \\\\",
    "placeholders": "%s %(x)s {0} {{x}} ${HOME} $(id) :name ? $1",
    "wildcards": "100% a_b * [c]",
    "a URL's characters": "a=b&c=d#e?f/g;h+i%20j",
    "JSON": '{"a": null, "b": [1, "two"]}',
    "emoji": "👩‍👩‍👧‍👦 🏳️‍🌈 ✓",
    "other scripts": "Zoë 漢字 שלום العربية 𠮷𝒳",
    "compatibility characters": "5 m² ½ ① ™ ﬁ Ⅳ",
}


def odd_text(kind: str, marker: str) -> str:
    """Return an odd text that ends with a marker; elements in its markup have the marker as identifier."""
    return f"{ODD_TEXTS[kind].replace('{id}', marker)} {marker}"
