"""`import dspy` gives whet: the module paths, the names, the command line (behaviour specification, sections 27 and 28)."""

from __future__ import annotations

import copy
import importlib
import importlib.util
import inspect
import logging
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import whet
from whet.compat import gone, paths
from whet.compat.dspy import install, main, uninstall
from whet.errors import ConfigurationError

# Flex is not wanted now, and the typed requests of DSPy 3.3 were replaced in 3.4; both are in the migration page.
NAMES = """Adapter asyncify Audio AvatarOptimizer BaseLM BaseModule BestOfN BetterTogether BootstrapFewShot BootstrapFewShotWithOptuna
BootstrapFewShotWithRandomSearch BootstrapFinetune BootstrapRS bootstrap_trace_data cache ChainOfThought ChatAdapter Code CodeAct
CodeExecutionError CodeInterpreter CodeInterpreterError ColBERTv2 Completions configure configure_cache context COPRO disable_logging
Embedder Embeddings EmbeddingsWithScores enable_logging Ensemble ensure_signature Evaluate Example File FinalOutput GEPA History Image
infer_prefix InferRules InputField inspect_history is_retryable_lm_error JSONAdapter KNN KNNFewShot LabeledFewShot LM load load_settings
majority make_signature MIPROv2 Module MultiChainComparison OutputField Parallel Predict Prediction ProgramOfThought Provider
PythonInterpreter ReAct ReActV2 Reasoning Refine Retrieve RLM SandboxSerializable settings Signature SignatureMeta SIMBA streamify syncify
Tool ToolCall ToolCalls ToolCallResults track_usage TrainingJob TwoStepAdapter Type XMLAdapter
DSPyError BayesianSignatureOptimizer ChainOfThoughtWithHint Assert Suggest
LMError LMAuthError LMBillingError LMConfigurationError LMInvalidRequestError LMNotConfiguredError LMProviderError LMRateLimitError
LMServerError LMTimeoutError LMTransportError LMUnexpectedError LMUnsupportedFeatureError LMUnsupportedModelError
ContextWindowExceededError AdapterParseError""".split()

PLACES = """adapters:ChatAdapter adapters.baml_adapter:BAMLAdapter adapters.chat_adapter:ChatAdapter adapters.json_adapter:JSONAdapter
adapters.types.history:History clients:Cache clients:configure_cache clients.lm:LM clients.cache:request_cache core.types:Image
datasets:HotPotQA datasets.gsm8k:GSM8K datasets:DataLoader datasets.dataloader:DataLoader evaluate:Evaluate evaluate:EvaluationResult
evaluate:SemanticF1 evaluate:CompleteAndGrounded evaluate:EM evaluate:normalize_text evaluate:answer_exact_match
evaluate:answer_passage_match evaluate.metrics:answer_exact_match evaluate.auto_evaluation:SemanticF1 experimental:Citations
experimental:Document predict:Predict predict.react:ReAct primitives:Example primitives.prediction:Prediction
primitives.python_interpreter:PythonInterpreter retrievers:Embeddings retrievers.retrieve:Retrieve signatures:Signature
signatures.field:InputField streaming:StatusMessage streaming:StatusMessageProvider streaming:StreamListener streaming:StreamResponse
streaming:streamify streaming:streaming_response streaming:apply_sync_streaming teleprompt:Teleprompter teleprompt:MIPROv2
teleprompt.gepa:GEPA teleprompt.random_search:BootstrapFewShotWithRandomSearch utils:BaseCallback utils:with_callbacks utils:DummyLM
utils:DummyVectorizer utils:dummy_rm utils:experimental utils:StatusMessage utils:StatusMessageProvider utils.callback:ACTIVE_CALL_ID
utils.exceptions:AdapterParseError utils.exceptions:format_error_for_lm utils.saving:load utils.usage_tracker:UsageTracker
utils.parallelizer:ParallelExecutor utils.unbatchify:Unbatchify utils.dummies:DummyLM dsp.utils:EM dsp.utils.settings:settings
adapters.utils:parse_value clients.base_lm:GLOBAL_HISTORY clients.utils_finetune:TrainDataFormat primitives.module:set_attribute_by_name
predict.parameter:Parameter teleprompt.gepa.gepa_utils:ScoreWithFeedback utils.mcp:convert_mcp_tool evaluate.evaluate:EvaluationResult
dsp.utils.settings:DEFAULT_CONFIG dsp.utils.settings:Settings adapters.chat_adapter:FieldInfoWithName utils.magicattr:get
adapters.types.image:encode_image adapters.types.audio:encode_audio adapters.types.file:encode_file_to_dict utils.syncify:run_async
adapters.types.tool:convert_input_schema_to_tool_args adapters.baml_adapter:COMMENT_SYMBOL utils.asyncify:get_limiter
utils.saving:get_dependency_versions evaluate.auto_evaluation:SemanticRecallPrecision signatures.utils:get_dspy_field_type""".split()


@pytest.fixture
def dspy() -> Iterator[Any]:
    install()
    yield importlib.import_module("dspy")
    uninstall()


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_of_dspy_is_there(name: str) -> None:
    assert getattr(whet, name) is not None


@pytest.mark.parametrize("place", PLACES)
def test_a_module_path_of_dspy_is_there(place: str, dspy: Any) -> None:
    path, name = place.split(":")
    module = importlib.import_module(f"dspy.{path}")
    assert getattr(module, name) == getattr(importlib.import_module(f"whet.{path}"), name)


@pytest.mark.parametrize("path", sorted(paths.PATHS))
def test_every_old_path_can_be_imported_and_hands_out_what_it_says(path: str) -> None:
    module = importlib.import_module(f"whet.{path}")
    assert isinstance(module, ModuleType)
    for name in paths._table(path):
        assert getattr(module, name) is not None


@pytest.mark.parametrize("said", sorted({*gone._NAMES.values(), *gone._PATHS.values()}))
def test_what_is_said_of_a_name_that_is_gone_names_things_that_are_there(said: str) -> None:
    for name in re.findall(r"`whet\.([\w.]+)", said):
        try:
            found: Any = importlib.import_module(f"whet.{name}")
        except ModuleNotFoundError:
            found = attrgetter(name)(whet)
        assert found is not None
    for package, leaf in re.findall(r"`(whet\.\w+)` has `(\w+)`", said):
        assert hasattr(importlib.import_module(package), leaf)


@pytest.mark.parametrize(
    ("name", "use"), [("OpenAI", "LM('openai/"), ("OllamaLocal", "LM('ollama_chat/"), ("TypedPredictor", "Predict"), ("MIPRO", "MIPROv2")]
)
def test_a_name_that_is_gone_says_what_to_use(name: str, use: str, dspy: Any) -> None:
    with pytest.raises(AttributeError, match=f"no attribute '{name}': .*{re.escape(use)}"):
        getattr(dspy, name)


def test_a_name_that_is_gone_is_said_to_an_import_too(dspy: Any) -> None:
    with pytest.raises(ImportError, match=r"cannot import name 'OllamaLocal' from 'whet': .*LM\('ollama_chat/"):
        from dspy import OllamaLocal  # noqa: F401
    with pytest.raises(ImportError, match="cannot import name 'never_was'"):
        from dspy import never_was  # noqa: F401
    assert not hasattr(dspy, "OllamaLocal") and importlib.util.find_spec("whet.never_was") is None


def test_tools_that_ask_for_the_file_of_a_module_at_an_old_path_get_one(dspy: Any) -> None:
    import dspy.teleprompt

    assert inspect.getfile(dspy.teleprompt) == paths.__file__ and inspect.getmodule(dspy.teleprompt.MIPROv2) is not None


@pytest.mark.parametrize(("path", "use"), [
    ("dspy.retrieve.chromadb_rm", "is a retriever"), ("dspy.propose.grounded_proposer", "whet.optimize.proposers"),
    ("dspy.functional", "types"), ("dsp.modules.lm", "LM('provider/model')"),
])  # fmt: skip
def test_a_path_that_is_gone_says_what_to_use(path: str, use: str, dspy: Any) -> None:
    with pytest.raises(ModuleNotFoundError, match=f"nothing at this path; .*{re.escape(use)}"):
        importlib.import_module(path)


def test_no_name_is_said_to_be_gone_that_is_there() -> None:
    assert not [name for name in gone._NAMES if hasattr(whet, name)] and not set(gone._PATHS) & (
        paths.PATHS - {"clients", "dsp", "retrieve", "retrievers", "predict.avatar"}
    )


def test_the_alias_is_one_library(dspy: Any) -> None:
    assert dspy is whet
    assert sys.modules["dspy"] is whet
    import dspy.utils.callback
    from dspy.teleprompt import BootstrapFewShot

    assert BootstrapFewShot is whet.BootstrapFewShot
    assert dspy.utils.callback is whet.utils.callback
    with pytest.raises(ModuleNotFoundError, match="No module named 'dspy.never_was'"):
        import dspy.never_was
    with pytest.raises(AttributeError, match="migration"):
        whet.utils.callback.never_was


def test_old_names_of_things_that_are_called_otherwise_now(dspy: Any) -> None:
    from dspy.adapters.utils import format_field_value, get_annotation_name, parse_value
    from dspy.clients.base_lm import GLOBAL_HISTORY
    from dspy.primitives.module import set_attribute_by_name
    from dspy.signatures.utils import get_dspy_field_type
    from dspy.teleprompt.gepa.gepa_utils import ScoreWithFeedback
    from dspy.utils import DummyLM
    from dspy.utils.mcp import convert_mcp_tool

    signature = dspy.Signature("rows: list[int] -> answer: dict[str, int]")
    assert parse_value("{'a': 1,}", dict[str, int]) == parse_value({"a": "1"}, dict[str, int]) == {"a": 1}
    assert format_field_value(signature.fields["rows"], [1, 2]) == "[1, 2]"
    assert get_annotation_name(signature.fields["answer"].annotation) == "dict[str, int]"
    assert [get_dspy_field_type(field) for field in signature.fields.values()] == ["input", "output"]
    assert float(ScoreWithFeedback(score=0.5, feedback="half")) == 0.5
    assert convert_mcp_tool == dspy.Tool.from_mcp_tool
    program = dspy.ChainOfThought("question -> answer")
    set_attribute_by_name(program, "predict.demos", [dspy.Example(question="q")])
    assert len(program.predict.demos) == 1
    program(question="q", lm=DummyLM([{"reasoning": "r", "answer": "a"}]))
    assert GLOBAL_HISTORY[-1]["outputs"] == [entry["outputs"] for entry in GLOBAL_HISTORY][-1]
    assert len(GLOBAL_HISTORY) == len(whet.settings.history) > 0


def test_dsp_of_older_programs(dspy: Any) -> None:
    from dsp.utils import deduplicate

    assert deduplicate(["b", "a", "b"]) == ["b", "a"]
    assert sys.modules["dsp"] is whet.dsp


def test_another_dspy_is_not_mixed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dspy", ModuleType("dspy"))
    with pytest.raises(ConfigurationError, match="imported already"):
        install()


def test_packages_are_reached_as_attributes() -> None:
    code = (
        "import whet as dspy; print(dspy.utils.exceptions.AdapterParseError.__name__, dspy.teleprompt.BootstrapRS.__name__, "
        "dspy.utils.callback.BaseCallback.__name__, dspy.predict.Predict.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["AdapterParseError", "BootstrapFewShotWithRandomSearch", "BaseCallback", "Predict"], done.stderr


def test_modules_below_are_reached_as_attributes_without_an_import_of_their_own() -> None:
    reached = [
        "adapters.chat_adapter.ChatAdapter",
        "adapters.types.tool.Tool",
        "adapters.types.History",
        "evaluate.metrics.answer_exact_match",
    ]
    reached += [
        "evaluate.evaluate.Evaluate",
        "streaming.messages.StatusMessage",
        "evaluate.auto_evaluation.SemanticF1",
        "adapters.base.Adapter",
    ]
    code = "import whet\n" + "\n".join(f"print(whet.{path}.__name__)" for path in reached) + "\nprint(hasattr(whet.streaming, 'nothing'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == [*(path.rpartition(".")[2] for path in reached), "False"], done.stderr


def test_where_a_module_and_a_function_share_a_path_both_work() -> None:
    code = (
        "import whet\n@whet.predict\ndef first(text: str) -> str:\n    '''Say it.'''\n"
        "import whet.predict.predict\nfrom whet.predict import Predict\n"
        "@whet.predict\ndef second(text: str) -> str:\n    '''Say it.'''\nprint(type(first) is type(second))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["True"], done.stderr
    with pytest.raises(TypeError, match="not callable"):
        whet.utils.saving()


def test_the_command_line_runs_scripts_and_modules(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("import dspy\nNAME = dspy.Predict.__name__\n", encoding="utf-8")
    script = "import sys\nimport beside, dspy\nprint(beside.NAME, sys.argv, __name__, dspy.__name__)\n"
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    run = [sys.executable, "-m", "whet.compat.dspy"]
    done = subprocess.run([*run, str(tmp_path / "script.py"), "a", "-b"], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["Predict", f"['{tmp_path / 'script.py'}',", "'a',", "'-b']", "__main__", "whet"]
    done = subprocess.run([*run, "-m", "script", "c"], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.startswith("Predict [")
    assert "'c']" in done.stdout
    child = "from dspy.utils import DummyLM; import dspy, whet; assert dspy is whet"
    test = f"import subprocess, sys, dspy\ndef test_it():\n    subprocess.run([sys.executable, '-c', {child!r}], check=True)\n"
    (tmp_path / "test_it.py").write_text(test, encoding="utf-8")
    suite = [*run, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "1", "test_it.py"]  # a worker, and a child of it
    done = subprocess.run(suite, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    assert subprocess.run(run, capture_output=True, check=False).returncode == 1


# -- 27 utilities ----------------------------------------------------------------------------------------------------------


def test_experimental_marks_functions_and_classes() -> None:
    from whet.utils import experimental

    @experimental
    def plain() -> None:
        """Do."""

    @experimental(version="3.1")
    class Marked:
        """Be."""

    assert plain.__doc__ == "Experimental: This function may change or be removed in a future release without warning.\n\nDo."
    assert Marked.__doc__ == (
        "Experimental: This class may change or be removed in a future release without warning (introduced in v3.1).\n\nBe."
    )


def test_dummy_models() -> None:
    from whet.utils import DummyLM

    with whet.context(lm=DummyLM([{"answer": "1"}])):
        predict = whet.Predict("question -> answer")
        assert [predict(question="q").answer for _ in range(2)] == ["1", "No more responses"]
    with whet.context(lm=DummyLM({"colour": {"answer": "blue"}})):
        assert predict(question="Which colour?").answer == "blue"
        with pytest.raises(whet.AdapterParseError, match="No more responses"):
            predict(question="Which size?")
    demos = [whet.Example(question="known", answer="from the demo")]
    with whet.context(lm=DummyLM([{"answer": "new"}], follow_examples=True)):
        assert predict(question="known", demos=demos).answer == "from the demo"
        assert predict(question="other", demos=demos).answer == "new"
    with whet.context(lm=DummyLM([{"answer": "1"}], adapter=whet.JSONAdapter()), adapter=whet.JSONAdapter()):
        assert predict(question="q").answer == "1"
    assert DummyLM([{"answer": "1"}], reasoning=True)("q")[0]["reasoning_content"] == "Some reasoning"


def test_dummy_vectors_and_retrievers() -> None:
    from whet.utils import DummyVectorizer, dummy_rm

    one, two = DummyVectorizer()(["the same", "the same"])
    assert one == two
    assert sum(x * x for x in one) == pytest.approx(1)
    with whet.context(rm=dummy_rm(["red apples", "blue whales"])):
        assert whet.Retrieve(k=1)("blue whale").passages == ["blue whales"]
    assert [passage.long_text for passage in dummy_rm(["red apples", "blue whales"])("red apple", k=1)] == ["red apples"]
    with pytest.raises(AssertionError):
        whet.Retrieve()("q")


def test_errors_as_models_are_shown_them() -> None:
    from whet.utils.exceptions import format_error_for_lm

    try:
        raise ValueError("too big")
    except ValueError as error:
        assert format_error_for_lm(error) == "too big"
        shown = format_error_for_lm(error, traceback_frames=1)
    assert shown.startswith("\nTraceback")
    assert shown.endswith("ValueError: too big")
    assert issubclass(whet.DSPyError, Exception)
    assert issubclass(whet.LMError, whet.DSPyError)


def test_logging_is_switched_on_and_off(capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, dspy: Any) -> None:
    logger, top = logging.getLogger("whet.some.module"), logging.getLogger("dspy")
    assert top is logging.getLogger("whet"), "what is set for one name holds for the other"
    level, handlers = top.level, list(top.handlers)
    try:
        whet.enable_logging()
        whet.enable_logging()
        logger.info("heard once")
        assert caplog.messages == ["heard once"]
        whet.disable_logging()
        whet.disable_logging()
        logger.error("not heard")
        assert caplog.messages == ["heard once"]
        top.propagate = True
        logger.error("for the root alone")
        assert caplog.messages == ["heard once", "for the root alone"]
    finally:
        top.handlers[:], top.propagate = handlers, True
        top.setLevel(level)
    assert capsys.readouterr().err.count("heard") == 1


RUN = [sys.executable, "-m", "whet.compat.dspy"]


def test_what_cannot_be_run_is_said_in_a_sentence() -> None:
    with pytest.raises(SystemExit, match="no file 'nothing.py' to run"):
        main(["nothing.py"])
    for module in ("missing", "json.missing", "sys.missing"):
        done = subprocess.run([*RUN, "-m", module], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert done.stderr.startswith(f"There is no module {module!r} to run") and "Traceback" not in done.stderr


def test_the_command_line_runs_code_and_standard_input() -> None:
    code = "import sys, dspy; print(dspy.__name__, dspy.Predict.__name__, sys.argv); sys.exit(3)"
    done = subprocess.run([*RUN, "-c", code, "a", "-b"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (3, "whet Predict ['-c', 'a', '-b']"), done.stderr
    done = subprocess.run([*RUN, "-", "a"], input=code, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (3, "whet Predict ['-', 'a']"), done.stderr


def test_a_program_ends_as_it_would_by_itself(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    for text, status, said in (
        ("raise SystemExit(5)", 5, ""),
        ("raise SystemExit('why')", 1, "why\n"),
        ("import missing", 1, "No module named"),
    ):
        program.write_text(text, encoding="utf-8")
        done = subprocess.run([*RUN, str(program)], capture_output=True, text=True, check=False)
        assert done.returncode == status and said in done.stderr


def test_the_package_is_pickled_by_its_name_and_copied_as_itself() -> None:
    assert pickle.loads(pickle.dumps(whet)) is whet and copy.deepcopy(whet) is whet


def test_who_only_asks_whether_there_is_a_module_is_told_the_truth(dspy: Any) -> None:
    """Programs look before they import an optional part; a name that is gone keeps its sentence for the import."""
    assert importlib.util.find_spec("dspy.nothing") is None and importlib.util.find_spec("dspy.predict.nothing") is None
    assert all(importlib.util.find_spec(name) for name in ("dspy", "dspy.predict", "dspy.teleprompt.gepa", "dsp", "dsp.utils"))
    with pytest.raises(ModuleNotFoundError, match="No module named 'dspy.nothing'"):
        importlib.import_module("dspy.nothing")


def test_what_programs_print_of_the_package_is_there(dspy: Any) -> None:
    assert dspy.__author__ == "The whet authors" and dspy.__description__ and isinstance(dspy.__url__, str)
