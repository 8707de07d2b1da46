"""The page of an evaluation: well-formed, without a script, the telling columns first, long cells folded, slices and filters."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import whet


class Page(HTMLParser):
    """Tags, cells by row, and what is left open."""

    VOID = ("meta", "input", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data


def page_of(tmp_path: Path) -> tuple[Page, str]:
    rows = [whet.Example(text=f"t{i}", label="x", kind="ab"[i % 2]).with_inputs("text") for i in range(6)]

    def program(text: str) -> whet.Prediction:
        if text == "t5":
            raise ValueError("</td><script>alert(1)</script>")
        return whet.Prediction(answer="long words " * 100 if text == "t0" else text, label="y")

    def metric(row: whet.Example, pred: whet.Prediction) -> whet.Score:
        return whet.Score(value=float(row.text in ("t1", "t2")), feedback="fine", parts={"kind": 1 / 3})

    result = whet.Evaluate(devset=rows, metric=metric, num_threads=1, corpus={"worst": lambda rows: 0.125})(program)
    result.save_html(tmp_path / "page.html", by="kind")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    return Page(text), text


def test_the_page_is_well_formed_and_runs_nothing(tmp_path: Path) -> None:
    page, text = page_of(tmp_path)
    assert page.open == []
    assert {"script", "link", "img", "iframe"}.isdisjoint(tag for tag, _ in page.tags)
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in page.tags
    assert "prefers-color-scheme: dark" in text


def test_what_says_which_row_to_read_comes_first(tmp_path: Path) -> None:
    page, _ = page_of(tmp_path)
    assert page.rows[0][:4] == ["#", "metric", "status", "metric_kind"]
    assert page.rows[6][:3] == ["5", "0", "program_error\nValueError: </td><script>alert(1)</script>"]
    assert page.rows[1][3] == "0.333"
    assert {len(row) for row in page.rows} == {len(page.rows[0])}


def test_rows_can_be_chosen_and_long_cells_opened(tmp_path: Path) -> None:
    page, text = page_of(tmp_path)
    choices = [attributes["id"] for tag, attributes in page.tags if tag == "input"]
    assert choices == ["all", "low", "failed"]
    assert "all 6 rows" in text and "4 below the mean or failed" in text and "1 failed" in text
    kinds = [attributes["class"] for tag, attributes in page.tags if tag == "tr" and "class" in attributes]
    assert kinds == ["low", "high", "high", "low", "low", "failed"]
    assert [tag for tag, _ in page.tags].count("details") == 1
    assert "long words " * 100 in text


def test_slices_and_corpus_measures_stand_in_the_summary(tmp_path: Path) -> None:
    _, text = page_of(tmp_path)
    assert "By kind" in text and "a: 0.333" in text and "worst: 0.125" in text
