"""`DataLoader`: files, frames, retrievers and the hub, with the calls that programs make (behaviour 27.2)."""

from __future__ import annotations

import gzip
import sys
import types
from pathlib import Path
from typing import Any

import pytest

import whet.core.context as context
from whet.core.records import Example
from whet.datasets import DataLoader
from whet.datasets.files import read_rows
from whet.errors import ConfigurationError, InputError, MissingExtraError

ROWS = [{"text": f"t{i}", "label": i % 3, "other": None} for i in range(10)]


def fake_hub(monkeypatch: pytest.MonkeyPatch, answer: Any) -> list[tuple[Any, ...]]:
    asked: list[tuple[Any, ...]] = []

    def load_dataset(*args: Any, **kwargs: Any) -> Any:
        asked.append((args, kwargs))
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset))
    return asked


def test_the_hub_call_of_the_documentation(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = fake_hub(monkeypatch, ROWS)
    kwargs = {"fields": ("text", "label"), "input_keys": ("text",), "split": "train", "trust_remote_code": True}
    rows = DataLoader().from_huggingface(dataset_name="PolyAI/banking77", **kwargs)[:5]  # type: ignore[arg-type, index]
    assert asked == [(("PolyAI/banking77",), {"split": "train"})]
    assert isinstance(rows, list)
    assert rows[4] == Example(text="t4", label=1)
    assert rows[0].inputs().keys() == ["text"]
    assert Example(rows[0], hint="h").with_inputs("text", "hint").hint == "h"


def test_the_hub_gives_a_list_per_split_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_hub(monkeypatch, {"train": ROWS, "test": ROWS[:2]})
    loaded = DataLoader().from_huggingface("x/y", "config", input_keys=["text"])
    assert isinstance(loaded, dict)
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 10, "test": 2}
    assert loaded["train"][0].keys() == ["text", "label", "other"]
    fake_hub(monkeypatch, [ROWS, ROWS[:1]])
    several = DataLoader().from_huggingface("x/y", split=["train[:10]", "test"])
    assert isinstance(several, dict)
    assert [len(several[k]) for k in ("train[:10]", "test")] == [10, 1]


def test_without_the_hub_a_local_copy_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    monkeypatch.setenv("WHET_DATA", str(tmp_path))
    (tmp_path / "banking77").mkdir()
    for split in ("train", "test"):
        text = "text,category\n" + "".join(f"{split}{i},{name}\n" for i, name in enumerate(["b", "Ca", "a", "b"]))
        (tmp_path / "banking77" / f"{split}.csv").write_text(text, encoding="utf-8")
    rows = DataLoader().from_huggingface("PolyAI/banking77", split="train", fields=("text", "label"), input_keys=("text",))
    assert isinstance(rows, list)
    assert [(row.text, row.label) for row in rows] == [("train0", 1), ("train1", 2), ("train2", 0), ("train3", 1)]
    both = DataLoader().from_huggingface("PolyAI/banking77")
    assert isinstance(both, dict)
    assert set(both) == {"train", "test"}
    assert [len(DataLoader().from_huggingface("a/banking77", split=s)) for s in ("train[:3]", "train[1:]", "train[25%:50%]")] == [3, 3, 1]
    with pytest.raises(ConfigurationError, match=r"no split 'dev'; it holds: test.csv, train.csv"):
        DataLoader().from_huggingface("banking77", split="dev")
    fake_hub(monkeypatch, ConnectionError("offline"))
    assert len(DataLoader().from_huggingface("PolyAI/banking77", split="test")) == 4


def test_without_hub_and_copy_the_error_says_what_would_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WHET_DATA", raising=False)
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"WHET_DATA.*`datasets`.*pip install 'whet\[datasets\]'"):
        DataLoader().from_huggingface("a/b")
    fake_hub(monkeypatch, ConnectionError("offline"))
    with pytest.raises(ConfigurationError, match="'a/b' could not be loaded from the hub: ConnectionError: offline"):
        DataLoader().from_huggingface("a/b")


def test_csv_columns_of_numbers_become_numbers(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('\ufeffq,n,x,code,flag,note\n"a, b",1,1.5,007,true,\nc,,2,010,false,NaN\n', encoding="utf-8")
    rows = DataLoader().from_csv(str(path), input_keys=("q",))
    assert rows[0].toDict() == {"q": "a, b", "n": 1, "x": 1.5, "code": "007", "flag": True, "note": ""}
    assert rows[1].toDict() == {"q": "c", "n": None, "x": 2.0, "code": "010", "flag": False, "note": "NaN"}
    assert DataLoader().from_csv([path, path], fields=["n"])[2].keys() == ["n"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '[{"q": 1}, {"q": 2}]'),
        ("a.jsonl", '{"q": 1}\n\n{"q": 2}\n'),
        ("b.json", '{"q": 1}\n{"q": 2}'),
        ("c.json", '{"version": 1, "data": [{"q": 1}, {"q": 2}]}'),
        ("d.json", '{"q": [1, 2]}'),
        ("e.ndjson", '{"q": 1}\n{"q": 2}'),
    ],
)
def test_json_in_its_usual_shapes(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert [row.q for row in DataLoader().from_json(str(tmp_path / name), fields=["q"], input_keys=["q"])] == [1, 2]


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="There is no file"):
        DataLoader().from_csv(tmp_path / "none.csv")
    (tmp_path / "bad.json").write_text("{nope", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="is no JSON"):
        DataLoader().from_json(tmp_path / "bad.json")
    (tmp_path / "text.json").write_text('"text"', encoding="utf-8")
    with pytest.raises(ConfigurationError, match="no list of JSON objects, but str"):
        DataLoader().from_json(tmp_path / "text.json")


def test_columns_that_are_not_there_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_hub(monkeypatch, ROWS)
    with pytest.raises(InputError, match="no column `question`; the columns are: text, label, other"):
        DataLoader().from_huggingface("a/b", split="train", fields=("question",))
    with pytest.raises(InputError, match="no column `question`"):
        DataLoader().from_huggingface("a/b", split="train", input_keys=("question",))
    with pytest.raises(ValueError, match="`fields` is 'text'"):
        DataLoader().from_huggingface("a/b", split="train", fields="text")
    with pytest.raises(ValueError, match="`input_keys` is 'text'"):
        DataLoader().from_huggingface("a/b", split="train", input_keys="text")


def test_parquet_needs_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtraError, match=r"`pyarrow`.*whet\[datasets\]"):
        DataLoader().from_parquet(path)

    class Table:
        def to_pylist(self) -> list[dict[str, Any]]:
            return ROWS

    def read_table(name: Path) -> Table:
        if name != path:
            raise ValueError("no magic bytes")
        return Table()

    monkeypatch.setitem(sys.modules, "pyarrow", types.SimpleNamespace())
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", types.SimpleNamespace(read_table=read_table))
    assert len(DataLoader().from_parquet(path, input_keys=["text"])) == 10
    (tmp_path / "b.parquet").write_bytes(b"no table")
    with pytest.raises(ConfigurationError, match=r"`.*b.parquet` is no Parquet file: no magic bytes"):
        DataLoader().from_parquet(tmp_path / "b.parquet")


def test_frames_and_retrievers() -> None:
    class Frame:
        def to_dict(self, orient: str) -> list[dict[str, Any]]:
            assert orient == "records"
            return ROWS

    class Shelf:
        def get_objects(self, num_samples: int, fields: list[str]) -> list[dict[str, Any]]:
            return [{name: row[name] for name in fields} for row in ROWS[:num_samples]]

    assert DataLoader().from_pandas(Frame(), fields=["text"], input_keys=["text"])[9].text == "t9"
    with pytest.raises(ConfigurationError, match="No retriever is configured"):
        DataLoader().from_rm(2, fields=["text"])
    with context.context(rm=Shelf()):
        assert DataLoader().from_rm(2, fields=["text"], input_keys=["text"]) == [Example(text="t0"), Example(text="t1")]
    with context.context(rm=object()), pytest.raises(ConfigurationError, match="no method `get_objects"):
        DataLoader().from_rm(2, fields=["text"])


def test_sampling_and_splitting_by_seed() -> None:
    rows = [Example(n=i) for i in range(20)]
    loader = DataLoader()
    assert loader.sample(rows, 5, seed=1) == loader.sample(rows, 5, seed=1) != loader.sample(rows, 5, seed=2)
    halves = loader.train_test_split(rows, train_size=0.75, random_state=3)
    assert [len(halves["train"]), len(halves["test"])] == [15, 5]
    assert sorted(row.n for row in halves["train"] + halves["test"]) == list(range(20))
    assert halves == loader.train_test_split(rows, random_state=3)
    assert [len(part) for part in loader.train_test_split(rows, train_size=4, test_size=0.5).values()] == [4, 10]
    assert [row.n for row in rows] == list(range(20))


@pytest.mark.parametrize(("train", "test"), [(1.5, None), (30, None), (-1, None), (15, 10), (0.75, 0.5), (True, None)])
def test_sizes_that_do_not_fit_are_refused(train: Any, test: Any) -> None:
    with pytest.raises(ValueError, match=r"train_size|test_size"):
        DataLoader().train_test_split([Example(n=i) for i in range(20)], train_size=train, test_size=test)
    with pytest.raises(ValueError, match="30 rows asked for, of a data set that has 1"):
        DataLoader().sample([Example(n=1)], 30)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", "a,b\ncaf\u00e9,1\n".encode("latin-1"), "no text in utf-8 .byte 7 is 0xe9.*encoding='cp1252'"),
        ("a.csv", b"a,b\n1,2,3\n", "Line 2 of .* has 3 cells, but the header names 2 columns"),
        ("a.csv", b'a,b\n1,2\n"open,3\n4,5\n', "is no line of CSV: unexpected end of data"),
        ("a.json", b"[" * 100_000 + b"]" * 100_000, "JSON that cannot be read: (maximum recursion|Stack overflow)"),
        ("a.json", b'[{"a":' + b"9" * 5000 + b"}]", "JSON that cannot be read: .*5000 digits"),
        ("a.jsonl", b'{"a":1}\n{"a":\n', "Line 2 of .* is no JSON"),
        ("a.json", b'{"a":1}\n{"a":\n{"a":2}', "Line 2 of .* is no JSON"),
        ("a.json", b'["a"]', "row 0 is 'a'"),
        ("a.json", b'{"train": [{"a": 1}], "test": [{"a": 2}]}', "several lists of rows: train, test"),
        ("a.csv", gzip.compress(b"a,b\nx,1\n" * 99, mtime=0)[:20], "packed by gzip, and damaged"),
        ("a.jsonl", b'{"a":1}\n[1]\n', r"Line 2 of .* holds '\[1\]'; one object per line"),
    ],
)
def test_files_with_something_wrong_in_them_name_the_place(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    load = DataLoader().from_csv if name.endswith("csv") else DataLoader().from_json
    with pytest.raises(ConfigurationError, match=says):
        load(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "options", "row"),
    [
        ("a,b\ncaf\u00e9,1\n".encode("cp1252"), {"encoding": "cp1252"}, {"a": "caf\u00e9", "b": 1}),
        ("a,b\nx,1\n".encode("utf-16"), {}, {"a": "x", "b": 1}),
        (b"a;b\nx;1\n", {}, {"a": "x", "b": 1}),
        (b"a,a\nx,1\n", {}, {"a": "x", "a.1": 1}),
        (b"a,a.1,a\nx,1,2\n", {}, {"a": "x", "a.1": 1, "a.2": 2}),
        (b"a,b\nx\n", {}, {"a": "x", "b": None}),
        (b"\n\na,b\nx,1\n\n", {}, {"a": "x", "b": 1}),
        (b'"a,b";c\n1;2\n', {}, {"a,b": 1, "c": 2}),
        (gzip.compress(b"a,b\nx,1\n", mtime=0), {}, {"a": "x", "b": 1}),
        (b"a\n" + b"9" * 5000 + b"\n", {}, {"a": "9" * 5000}),
        (b"a\n" + b"x" * 200_000 + b"\n", {}, {"a": "x" * 200_000}),
        (b"a\n1e999\n", {}, {"a": "1e999"}),
    ],
)
def test_files_as_others_write_them_keep_every_cell(tmp_path: Path, content: bytes, options: dict[str, Any], row: dict[str, Any]) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    assert [dict(example) for example in DataLoader().from_csv(tmp_path / "a.csv", **options)] == [row]


def test_a_row_without_its_input_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n{"b": 2}\n', encoding="utf-8")
    with pytest.raises(InputError, match="no column `a` in row 1; the columns are: b"):
        DataLoader().from_json(tmp_path / "a.jsonl", input_keys=("a",))
    for wrong in (None, 3, [None]):
        with pytest.raises(InputError, match="give a path, or a list of paths"):
            DataLoader().from_csv(wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="no encoding 'nonsense'"):
        DataLoader().from_json(tmp_path / "a.jsonl", encoding="nonsense")


def test_shares_of_more_than_everything_are_refused() -> None:
    rows = [Example(n=i) for i in range(2)]
    with pytest.raises(InputError, match="ask for more than the 2 rows"):
        DataLoader().train_test_split(rows, train_size=0.5, test_size=0.9)
    with pytest.raises(InputError, match="`n` is -1"):
        DataLoader().sample(rows, -1)


def test_a_pattern_stands_for_the_files_that_fit_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        (tmp_path / f"{name}.csv").write_text(f"q\n{name}\n", encoding="utf-8")
    (tmp_path / "d.csv.gz").write_bytes(gzip.compress(b"q\nd\n"))
    loader = DataLoader()
    assert [row.q for row in loader.from_csv(f"{tmp_path}/*.csv")] == ["a", "b", "c"]
    assert [row["q"] for row in read_rows(tmp_path / "d.csv.gz")] == ["d"]
    for path, says in (
        (f"{tmp_path}/*.tsv", "No file fits"),
        (tmp_path, "is a folder; .* holds: a.csv, b.csv"),
        ("https://x/y", "download it"),
    ):
        with pytest.raises(ConfigurationError, match=says):
            loader.from_csv(path)


def test_json_in_its_rarer_shapes(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    for text, rows in (
        ('{"q": "a", "n": 1}', [{"q": "a", "n": 1}]),
        ('{"q": ["a", "b"], "more": [{"x": 1}, {"x": 2}]}', [{"q": "a", "more": {"x": 1}}, {"q": "b", "more": {"x": 2}}]),
        ('{"tags": ["x", "y"], "data": [{"q": "a"}]}', [{"q": "a"}]),
    ):
        path.write_text(text, encoding="utf-8")
        assert [dict(row) for row in DataLoader().from_json(path, fields=())] == rows


def test_what_a_frame_lacks_is_none_and_what_is_no_frame_is_named() -> None:
    class Frame(list[Any]):
        def to_dict(self, orient: str) -> list[Any]:
            return list(self)

    class NaTType: ...

    class Series:
        def to_dict(self) -> None: ...

    assert [dict(row) for row in DataLoader().from_pandas(Frame([{"q": float("nan"), "d": NaTType(), "n": 0.0}]))] == [
        {"q": None, "d": None, "n": 0.0}
    ]
    for frame, says in ((Series(), "this is a Series"), (Frame([{0: "x"}]), "a column named 0, an int")):
        with pytest.raises(InputError, match=says):
            DataLoader().from_pandas(frame)


@pytest.mark.parametrize(
    ("given", "says"), [(None, "it gave None"), ("text", "it gave 'text'"), (["text"], "row 0 is 'text'"), ([object()], "row 0 is <object")]
)
def test_a_retriever_that_hands_out_no_rows_is_named(given: Any, says: str) -> None:
    class Shelf:
        def get_objects(self, **_: Any) -> Any:
            return given

    with context.context(rm=Shelf()):
        with pytest.raises(InputError, match=says):
            DataLoader().from_rm(2, fields=["q"])
        for num_samples, fields, of in ((-1, ["q"], "`num_samples` is -1"), (2, "q", "`fields` is 'q'"), (2, None, "`fields` is None")):
            with pytest.raises(InputError, match=of):
                DataLoader().from_rm(num_samples, fields=fields)  # type: ignore[arg-type]


def test_draws_are_the_same_in_every_process_and_shares_are_those_that_were_asked_for() -> None:
    rows = [Example(n=i) for i in range(100)]
    assert [row.n for row in DataLoader().sample(rows, 4, seed=7)] == [41, 19, 50, 83]
    assert [row.n for row in DataLoader().train_test_split(rows, train_size=3, random_state=7)["train"]] == [33, 25, 99]
    assert [len(part) for part in DataLoader().train_test_split(rows, train_size=0.29, test_size=0.57).values()] == [29, 57]
    for wrong in (2.0, "2", True, None):
        with pytest.raises(InputError, match="`n` is"):
            DataLoader().sample(rows, wrong)  # type: ignore[arg-type]


def test_a_data_set_with_a_script_comes_from_the_copy_that_the_hub_made_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def load_dataset(name: str, **options: Any) -> Any:
        asked.append(options)
        if options.get("revision") is None:
            raise RuntimeError("Dataset scripts are no longer supported, but found banking77.py")
        return ROWS

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset))
    rows = DataLoader().from_huggingface("PolyAI/banking77", split="train", trust_remote_code=True)
    assert len(rows) == 10 and asked == [{"split": "train"}, {"split": "train", "revision": "refs/convert/parquet"}]
    monkeypatch.delenv("WHET_DATA", raising=False)
    with pytest.raises(ConfigurationError, match="scripts are no longer supported"):
        DataLoader().from_huggingface("PolyAI/banking77", revision=None)
