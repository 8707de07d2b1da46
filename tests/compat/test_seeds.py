"""Every program that the seeds print runs unchanged, as `python -m whet.compat.dspy program.py`, against an internet on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from compat.loopback import Internet, internet

SEEDS = Path(__file__).parent / "seeds"
DATASETS = '''"""Stands for the package `datasets` of Hugging Face: 36 rows like those of Banking77."""
ROWS = [{"text": f"Why is my cash withdrawal pending ({i})?", "label": i % 3} for i in range(36)]

class Names:
    names = ["pending_cash_withdrawal", "card_arrival", "top_up_failed"]

class Rows(list):
    features = {"label": Names}

def load_dataset(name, *args, split=None, **kwargs):
    assert name == "PolyAI/banking77" and split == "train", (name, split)
    return Rows(ROWS)
'''


def run(name: str, net: Internet, tmp_path: Path, seconds: float = 60) -> list[str]:
    """What the program prints; it must end well."""
    env = {**os.environ, **net.environment(), "WHET_CACHE_DIR": str(tmp_path / "cache"), "WHET_DATA": str(tmp_path / "data")}
    env["PYTHONPATH"] = os.pathsep.join([str(tmp_path), env.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "whet.compat.dspy", str(SEEDS / f"{name}.py")],
        capture_output=True, text=True, timeout=seconds, env=env, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_every_door_to_a_model_opens(tmp_path: Path) -> None:
    with internet({}) as net:
        assert run("setup_models", net, tmp_path) == []
        assert net.bodies == []


def test_calling_the_model_directly(tmp_path: Path) -> None:
    with internet({}) as net:
        assert run("call_directly", net, tmp_path) == ["['This is a test!']"] * 2
    assert [body.get("temperature") for body in net.bodies] == [0.7, None]


def test_mathematics(tmp_path: Path) -> None:
    with internet({"reasoning": "One of 36.", "answer": 0.0277776}) as net:
        assert run("dice", net, tmp_path) == ["Prediction(", "    reasoning='One of 36.',", "    answer=0.0277776", ")"]


def test_retrieval_augmented_generation(tmp_path: Path) -> None:
    with internet({"reasoning": "It says so.", "response": "Kinnairdy Castle"}) as net:
        assert "    response='Kinnairdy Castle'" in run("rag", net, tmp_path)
    (search,) = net.searches
    assert search.startswith("http://20.102.90.50:2017/wiki17_abstracts?query=What")
    assert "inherited Kinnairdy Castle in 1664" in net.bodies[0]["messages"][-1]["content"]


def test_classification(tmp_path: Path) -> None:
    with internet({"sentiment": "positive", "confidence": 0.75}) as net:
        assert run("classification", net, tmp_path) == ["Prediction(", "    sentiment='positive',", "    confidence=0.75", ")"]


def test_information_extraction(tmp_path: Path) -> None:
    entities = [{"name": "Apple Inc.", "type": "Organization"}]
    with internet({"title": "Apple Announces", "headings": ["Introduction"], "entities": entities}) as net:
        assert run("extraction", net, tmp_path) == ["Apple Announces", "['Introduction']", str(entities)]


def turns(first: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """An agent that uses one tool, and then finishes."""

    def step(prompt: str) -> tuple[str, dict[str, Any]]:
        return ("finish", {}) if "5761" in prompt or "Kinnairdy Castle in 1664" in prompt else first

    return {
        "next_thought": "Look it up.",
        "next_tool_name": lambda prompt: step(prompt)[0],
        "next_tool_args": lambda prompt: step(prompt)[1],
        "reasoning": "Seen.",
    }


def test_an_agent_with_tools(tmp_path: Path) -> None:
    with internet({**turns(("evaluate_math", {"expression": "9362158 / 1625"})), "answer": 5761.328}) as net:
        assert run("agent", net, tmp_path) == ["5761.328"]
    assert "5761.328" in str(net.bodies[1]["messages"][-1]["content"]), "the sandbox did the division"


def test_a_pipeline_of_several_stages(tmp_path: Path) -> None:
    answers = {
        "reasoning": "Plan.",
        "title": "World Cup 2002",
        "sections": ["Qualification", "Final"],
        "section_subheadings": {"Qualification": ["UEFA"], "Final": []},
        "content": lambda prompt: "about the final" if "## Final" in prompt else "about the qualifiers",
    }
    with internet(answers) as net:
        printed = run("article", net, tmp_path)
    assert printed == ["Prediction(", "    title='World Cup 2002',", "    sections=['about the qualifiers', 'about the final']", ")"]
    assert len(net.bodies) == 3


def test_optimizing_the_prompts_of_an_agent(tmp_path: Path) -> None:
    data = tmp_path / "data" / "hotpotqa"
    data.mkdir(parents=True)
    rows = [{"question": f"Which castle, {i}?", "answer": "Kinnairdy Castle", "level": "hard"} for i in range(12)]
    (data / "train.json").write_text(json.dumps(rows), encoding="utf-8")
    (data / "dev.json").write_text(json.dumps(rows), encoding="utf-8")
    with internet({**turns(("search_wikipedia", {"query": "castle"})), "answer": "Kinnairdy Castle"}) as net:
        run("optimize_agent", net, tmp_path, seconds=110)
    assert net.searches
    assert net.bodies


def test_optimizing_the_prompts_of_a_rag_program(tmp_path: Path) -> None:
    answers = {"reasoning": "r", "response": "David Gregory", "precision": 1.0, "recall": 1.0, "discussion": "d"}
    with internet(answers) as net:
        run("optimize_rag", net, tmp_path, seconds=110)
    assert any("ground" in str(body["messages"]) for body in net.bodies), "the judge was asked"


def test_optimizing_the_weights_of_a_classifier(tmp_path: Path) -> None:
    (tmp_path / "datasets.py").write_text(DATASETS, encoding="utf-8")
    with internet({"reasoning": "It is pending.", "label": "pending_cash_withdrawal"}) as net:
        printed = run("finetune", net, tmp_path, seconds=110)
    assert "    label='pending_cash_withdrawal'" in printed
    assert net.bodies[-1]["model"] == "ft:tuned"


def test_names_that_dspy_has_dropped(tmp_path: Path) -> None:
    with internet({"reasoning": "r", "answer": "David Gregory"}) as net:
        assert run("old_names", net, tmp_path) == ["2", "David Gregory", "BayesianSignatureOptimizer BootstrapFewShotWithRandomSearch"]
