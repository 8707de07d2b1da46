"""HotPotQA, GSM8K, MATH, Banking77 and Colors: from a path, from WHET_DATA, from the hub, bundled, or a sentence on how to get them."""

from __future__ import annotations

import csv
import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from whet.datasets import GSM8K, MATH, Banking77, Colors, HotPotQA, load_bundled, load_corpus
from whet.datasets.gsm8k import gsm8k_metric, parse_integer_answer
from whet.errors import ConfigurationError, MissingExtraError


@pytest.fixture(autouse=True)
def _no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)


def write(path: Path, rows: list[dict[str, Any]], *, lines: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(map(json.dumps, rows)) if lines else json.dumps(rows), encoding="utf-8")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for WHET_DATA with a little of everything."""
    monkeypatch.setenv("WHET_DATA", str(tmp_path))
    write(
        tmp_path / "gsm8k/train.jsonl",
        [{"question": f"q{i}", "answer": f"{i}+1 = <<{i}+1={i + 1}>>{i + 1}\n#### 1,{i:03}"} for i in range(40)],
        lines=True,
    )
    write(tmp_path / "gsm8k/test.jsonl", [{"question": "t", "answer": "#### 5"}], lines=True)
    hot = [{"_id": str(i), "question": f"q{i}", "answer": "yes", "type": "bridge", "level": "hard" if i % 2 else "easy",
            "supporting_facts": [["A", 0], ["B", 1], ["A", 2]], "context": [["A", ["x"]]]} for i in range(80)]  # fmt: skip
    write(tmp_path / "hotpotqa/hotpot_train_v1.1.json", hot)
    write(tmp_path / "hotpotqa/hotpot_dev_fullwiki_v1.json", hot[:8])
    (tmp_path / "banking77").mkdir()
    for split, n in (("train", 30), ("test", 6)):
        with (tmp_path / f"banking77/{split}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([["text", "category"], *([f"{split} {i}", f"intent{i % 3}"] for i in range(n))])
    solved = [
        {"problem": f"p{i}", "solution": rf"so \boxed{{\frac{{{i}}}{{2}}}}.", "type": "Counting & Probability" if i % 2 else "Algebra"}
        for i in range(20)
    ]
    write(tmp_path / "math/train.jsonl", solved, lines=True)
    write(tmp_path / "math/test.jsonl", solved[:4], lines=True)
    return tmp_path


def test_hotpotqa_splits_the_hard_training_rows_and_keeps_titles_for_dev(data: Path) -> None:
    dataset = HotPotQA(train_seed=2024, train_size=20)
    assert len(dataset.train) == 20
    assert len(dataset.dev) == 10
    assert len(dataset.test) == 8
    assert dataset.train[0].keys() == ["question", "answer"]
    assert dataset.dev[0].gold_titles == dataset.test[0].gold_titles == ["A", "B"]
    assert all(int(row.question[1:]) % 2 for row in dataset.train + dataset.dev)
    assert "hotpot_train_v1.1.json" in dataset.source
    assert dataset.train[0].with_inputs("question").inputs().keys() == ["question"]
    assert not {row.question for row in HotPotQA().train} & {row.question for row in HotPotQA().dev}


def test_hotpotqa_options(data: Path) -> None:
    assert HotPotQA(keep_details=True).train[0].keys() == ["question", "answer", "gold_titles", "id", "type", "context"]
    assert HotPotQA(keep_details=False).dev[0].keys() == ["question", "answer"]
    assert len(HotPotQA(only_hard_examples=False, unofficial_dev=False).train) == 80
    with pytest.raises(ConfigurationError, match="no `dev` split"):
        _ = HotPotQA(unofficial_dev=False).dev


def test_hotpotqa_with_development_rows_only_is_cut_into_three(data: Path) -> None:
    (data / "hotpotqa/hotpot_train_v1.1.json").unlink()
    write(data / "hotpotqa/hotpot_dev_v1_simplified.json", [{"question": f"s{i}", "answer": "no", "type": "bridge"} for i in range(50)])
    (data / "hotpotqa/hotpot_dev_fullwiki_v1.json").unlink()
    dataset = HotPotQA()
    assert [len(dataset.train), len(dataset.dev), len(dataset.test)] == [30, 10, 10]
    assert len({row.question for row in dataset.train + dataset.dev + dataset.test}) == 50
    assert "cut into train, dev and test" in dataset.source


def test_gsm8k_parts_reasoning_from_answer(data: Path) -> None:
    dataset = GSM8K(path=data)
    assert [len(dataset.train), len(dataset.dev), len(dataset.test)] == [36, 4, 1]
    row = next(row for row in dataset.train if row.question == "q7")
    assert (row.answer, row.gold_reasoning) == ("1007", "7+1 = 8")
    assert row.inputs().keys() == ["question"]
    assert GSM8K(path=data / "gsm8k").train == dataset.train
    only_file = GSM8K(path=data / "gsm8k/train.jsonl")
    assert len(only_file.train) == 36
    with pytest.raises(ConfigurationError, match="no `test` split"):
        _ = only_file.test


def test_the_gsm8k_metric() -> None:
    class Row:
        def __init__(self, answer: object) -> None:
            self.answer = answer

    assert gsm8k_metric(Row("1,250"), Row("It is $1250."))
    assert not gsm8k_metric(Row("12"), Row("13"))
    assert parse_integer_answer("4\n5") == 4
    assert parse_integer_answer("4\n5", only_first_line=False) == 5
    assert parse_integer_answer("-3.0 degrees") == -3


def test_math_takes_one_subject_and_compares_by_meaning(data: Path) -> None:
    dataset = MATH("counting_and_probability")
    assert [len(dataset.train), len(dataset.dev), len(dataset.test)] == [5, 5, 2]
    row = dataset.train[0]
    assert row.answer.startswith("\\frac{")
    assert dataset.metric(row, row.copy(answer=row.answer.replace("\\frac{", "").replace("}{", "/").rstrip("}")))
    assert len(MATH().train) == 10
    with pytest.raises(ConfigurationError, match="no subset 'chemistry'"):
        MATH("chemistry")


def test_math_reads_the_official_folders(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for i in range(4):
            path = tmp_path / split / "algebra" / f"{i}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"problem": f"{split}{i}", "solution": r"\boxed{3}", "type": "Algebra"}), encoding="utf-8")
    dataset = MATH("algebra", path=tmp_path)
    assert [len(dataset.train), len(dataset.dev), len(dataset.test)] == [2, 2, 4]
    assert dataset.train[0].answer == "3"


def test_banking77_names_its_labels(data: Path) -> None:
    dataset = Banking77()
    assert dataset.labels == ["intent0", "intent1", "intent2"]
    assert [len(dataset.train), len(dataset.dev), len(dataset.test)] == [27, 3, 6]
    assert dataset.train[0].label in dataset.labels
    assert dataset.train[0].inputs().keys() == ["text"]


def test_colors_need_nothing() -> None:
    dataset = Colors(train_size=5)
    assert len(dataset.train) == 5
    everything = [row.color for row in Colors().train + Colors().dev]
    assert len(everything) == len(set(everything)) >= 139
    assert {row.color for row in Colors(sort_by_suffix=False).train} != {row.color for row in Colors().train}


@pytest.mark.parametrize("known", [HotPotQA, GSM8K, MATH, Banking77])
def test_without_any_source_the_error_names_all_ways(known: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WHET_DATA", raising=False)
    with pytest.raises(MissingExtraError, match=r"path=.*WHET_DATA.*datasets.*pip install 'whet\[datasets\]'") as caught:
        known()
    assert isinstance(caught.value, ImportError)
    assert ("source='bundled'" in str(caught.value)) == (known is not MATH)


def test_a_wrong_path_and_a_wrong_source_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"GSM8K was not found in `.*` Ways|GSM8K was not found in"):
        GSM8K(path=tmp_path)
    with pytest.raises(ConfigurationError, match="`source` is 'web'"):
        GSM8K(source="web")
    with pytest.raises(ConfigurationError, match="was not found"):
        GSM8K(source="local")


def test_the_hub_is_asked_last_and_a_failure_says_what_else_would_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WHET_DATA", raising=False)
    asked: list[Any] = []

    def load_dataset(name: str, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
        asked.append((name, args, kwargs))
        if name == "openai/gsm8k":
            return [{"question": "q", "answer": "a\n#### 3"}] * 20
        raise ConnectionError("no network")

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset))
    dataset = GSM8K()
    assert asked[0] == ("openai/gsm8k", ("main",), {"split": "train"})
    assert dataset.source == "hub: openai/gsm8k"
    assert dataset.train[0].answer == "3"
    with pytest.raises(ConfigurationError, match="could not be loaded from the hub .ConnectionError: no network.*WHET_DATA"):
        Banking77()


def test_the_bundled_subsets_say_that_they_are_subsets() -> None:
    for known in (HotPotQA, GSM8K, Banking77):
        dataset = known(source="bundled")
        assert "subset" in dataset.source
        assert dataset.train
        assert dataset.test
    with pytest.raises(ConfigurationError, match="No data set 'math' ships with whet"):
        MATH(source="bundled")


@pytest.mark.parametrize(("name", "train", "test"), [("banking77", 800, 400), ("gsm8k", 100, 50), ("hotpotqa", 83, 47), ("atlas", 40, 28)])
def test_bundled_rows_are_examples_and_nobody_can_spoil_them(name: str, train: int, test: int) -> None:
    rows = load_bundled(name)
    assert (len(rows), len(load_bundled(name, "test"))) == (train, test)
    assert len(rows[0].inputs()) == 1
    rows[0]["extra"] = 1
    assert "extra" not in load_bundled(name)[0]


def test_the_bundled_corpora_hold_the_passages_their_questions_need() -> None:
    for name in ("atlas", "hotpotqa"):
        titles = {passage.split(" | ")[0] for passage in load_corpus(name)}
        rows = [row for split in ("train", "test") for row in load_bundled(name, split) if row.gold_titles]
        assert rows
        assert all(set(row.gold_titles) <= titles for row in rows)
    assert all(len(row.gold_titles) == 2 for row in load_bundled("atlas"))


def test_unknown_bundles_and_splits_are_named() -> None:
    with pytest.raises(ConfigurationError, match="these do: atlas, banking77, gsm8k, hotpotqa"):
        load_bundled("imagenet")
    with pytest.raises(ConfigurationError, match="has no split 'dev'"):
        load_bundled("gsm8k", "dev")


def test_the_licences_stand_beside_the_data_and_it_is_small() -> None:
    folder = Path(sys.modules["whet.datasets.bundle"].__file__ or "").parent / "bundled"
    notice = (folder / "NOTICE.md").read_text(encoding="utf-8")
    files = list(folder.glob("*.json"))
    assert all(f"`{file.name}`" in notice for file in files)
    assert sum(file.stat().st_size for file in files) < 400_000
    assert "CC BY-SA 4.0" in notice
    assert "Copyright (c) 2021 OpenAI" in notice


def test_colors_of_your_own(tmp_path: Path) -> None:
    file = tmp_path / "colors.csv"
    file.write_text("color\nsea foam\nbrick\nmoss\nslate\nrust\n", encoding="utf-8")
    data = Colors(path=file)
    assert sorted(row.color for row in data.train + data.dev) == ["brick", "moss", "rust", "sea foam", "slate"] and data.source == str(file)
    file.write_text("colour\nmoss\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="no column `color`; it has: colour"):
        Colors(path=file)


@pytest.mark.parametrize(("known", "column"), [(HotPotQA, "question"), (GSM8K, "question"), (Banking77, "text"), (MATH, "problem")])
def test_rows_of_something_else_are_refused_by_name(tmp_path: Path, known: Any, column: str) -> None:
    name = "train.csv" if known is Banking77 else "train.jsonl"
    file = tmp_path / name
    file.write_text("q\n1\n" if known is Banking77 else '{"q": 1}\n', encoding="utf-8")
    with pytest.raises(ConfigurationError, match=f"does not hold {known.__name__}: row 0 has no `{column}`; it has: q"):
        known(path=file)
    file.write_text("", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="it is empty"):
        known(path=file)


def official_math(folder: Path) -> None:
    for split in ("train", "test"):
        for subject in ("algebra", "number_theory"):
            for i in range(2):
                row = {"problem": f"{subject} {i}", "level": "Level 5", "type": subject, "solution": r"So \boxed{\frac12}."}
                write(folder / split / subject / f"{i}.json", row)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["MATH", "math"])
def test_math_as_its_authors_laid_it_out_is_found_below_the_folder_of_data_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    official_math(tmp_path / name)
    assert len(MATH(path=tmp_path).test) == len(MATH(path=tmp_path / name).test) == 4
    monkeypatch.setenv("WHET_DATA", str(tmp_path))
    dataset = MATH("number_theory")
    assert [row.answer for row in dataset.test] == [r"\frac12"] * 2
    with pytest.raises(ConfigurationError, match="has no problem of 'geometry'"):
        MATH("geometry")
    (tmp_path / name / "train" / "algebra" / "0.json").write_text("{", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"algebra/0.json` is no JSON"):
        MATH()


def test_without_math_the_error_names_its_own_layout_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WHET_DATA", raising=False)
    with pytest.raises(MissingExtraError, match="or the official folders, `train/algebra/1.json`"):
        MATH()
