"""The table of old module paths: what each offered that is no public name of `whet` itself, and where that is now."""

from __future__ import annotations

from importlib import import_module
from operator import attrgetter
from typing import Any, Final

__all__ = ["PATHS", "find", "function", "has_children", "is_below", "names_of"]

# Old path -> "home: names", a name as `old=new` where it is called otherwise now. Every public name of `whet` is found at every old path
# too, so only the others stand here.
_EXTRA: Final = {
    "adapters.baml_adapter": "whet.compat.fields: COMMENT_SYMBOL INDENTATION",
    "adapters.chat_adapter": "whet.compat.fields: FieldInfoWithName",
    "adapters.types": "whet.core.types.custom: BaseType=Type",
    "adapters.types.audio": "whet.compat.media: encode_audio is_audio is_url",
    "adapters.types.base_type": "whet.core.types.custom: BaseType=Type",
    "adapters.types.citation": "whet.core.types.document: Citations",
    "adapters.types.document": "whet.core.types.document: Document",
    "adapters.types.file": "whet.compat.media: encode_file_to_dict",
    "adapters.types.image": "whet.compat.media: encode_image is_image is_url",
    "adapters.types.tool": "whet.tools.tool: Tool; whet.tools.parameters: convert_input_schema_to_tool_args=arguments_of_schema",
    "adapters.utils": (
        "whet.compat.names: format_field_value parse_value; whet.core.schema: get_annotation_name=type_name serialize_for_json=plain"
    ),
    "clients": "whet.compat.cache: Cache DISK_CACHE_DIR DISK_CACHE_LIMIT DSPY_CACHE=cache request_cache",
    "clients.base_lm": "whet.compat.names: GLOBAL_HISTORY; whet.lm.state: LM_CLASS_STATE_KEY=CLASS_KEY",
    "clients.cache": "whet.compat.cache: Cache request_cache",
    "clients.databricks": "whet.lm.provider: DatabricksProvider=Provider TrainingJobDatabricks=TrainingJob",
    "clients.lm_local": "whet.lm.provider: LocalProvider=Provider",
    "clients.openai": "whet.lm.provider: OpenAIProvider=Provider",
    "clients.provider": "whet.lm.provider: Provider ReinforceJob TrainingJob",
    "clients.utils_finetune": "whet.compat.names: TrainDataFormat",
    "dsp.utils": (
        "whet.evaluate.metrics: EM F1 HotPotF1 em_score f1_score normalize_text; "
        "whet.compat.names: deduplicate; whet.core.context: dotdict=SettingsDict"
    ),
    "dsp.utils.metrics": "whet.evaluate.metrics: EM F1 HotPotF1 em_score f1_score normalize_text",
    "dsp.utils.settings": "whet.core.context: Settings=SettingsView settings; whet.compat.defaults: DEFAULT_CONFIG",
    "dsp.utils.utils": "whet.compat.names: deduplicate; whet.core.context: dotdict=SettingsDict",
    "experimental": "whet.core.types.document: Citations Document",
    "evaluate.auto_evaluation": (
        "whet.evaluate.judges: AnswerCompleteness=COMPLETE AnswerGroundedness=GROUNDED CompleteAndGrounded f1_score=f1_of "
        "DecompositionalSemanticRecallPrecision=DECOMPOSED SemanticF1 SemanticRecallPrecision=OVERLAP"
    ),
    "evaluate.metrics": (
        "whet.evaluate.metrics: EM F1 HotPotF1 answer_exact_match answer_passage_match em_score f1_score hotpot_f1_score normalize_text "
        "precision_score"
    ),
    "predict.aggregation": "whet.modules.voting: default_normalize=usual_form",
    "predict.predict": "whet.core.schema: serialize_object=plain",
    "predict": "whet.compat.assertions: Retry",
    "predict.retry": "whet.compat.assertions: Retry",
    "predict.parameter": "whet.core.param: Param; whet.modules.predict: Parameter=Predict",
    "primitives": "whet.compat.interpreters: LocalInterpreter resolve_interpreter_factory",
    "primitives.code_interpreter": "whet.compat.interpreters: resolve_interpreter_factory",
    "primitives.local_interpreter": "whet.compat.interpreters: LocalInterpreter",
    "primitives.assertions": "whet.compat.assertions: DSPyAssertionError DSPySuggestionError assert_transform_module backtrack_handler",
    "primitives.module": "whet.modules.tree: set_attribute_by_name=set_by_path",
    "signatures.field": "whet.core.field: InputField OutputField infer_prefix",
    "signatures.utils": "whet.compat.names: get_dspy_field_type",
    "streaming": "whet.streaming: streamify",
    "streaming.messages": "whet.streaming: StatusMessage StatusMessageProvider StreamResponse",
    "streaming.streamify": "whet.streaming: apply_sync_streaming streamify streaming_response",
    "streaming.streaming_listener": "whet.streaming: StreamListener",
    "teleprompt": "whet.compat.teleprompt: BayesianSignatureOptimizer SignatureOptimizer Teleprompter",
    "teleprompt.bootstrap_trace": "whet.compat.trace_data: FailedPrediction",
    "teleprompt.gepa": "whet.compat.proposing: InstructionProposer",
    "teleprompt.gepa.gepa": "whet.optimize.gepa_results: DspyGEPAResult=GEPAResults; whet.compat.proposing: GEPAFeedbackMetric",
    "teleprompt.gepa.gepa_utils": "whet.core.records: ScoreWithFeedback=Prediction; whet.compat.proposing: ReflectiveExample",
    "teleprompt.gepa.instruction_proposal": "whet.compat.proposing: InstructionProposer ReflectiveExample",
    "teleprompt.bootstrap_finetune": "whet.optimize.optimizer: FinetuneTeleprompter=Optimizer",
    "teleprompt.utils": "whet.compat.candidates: create_minibatch eval_candidate_program get_signature set_signature",
    "teleprompt.signature_opt": "whet.compat.teleprompt: SignatureOptimizer",
    "teleprompt.signature_opt_bayesian": "whet.compat.teleprompt: BayesianSignatureOptimizer",
    "teleprompt.teleprompt": "whet.compat.teleprompt: Teleprompter",
    "utils": (
        "whet.core.events: BaseCallback with_callbacks; whet.compat.dummies: DummyLM DummyVectorizer dummy_rm; "
        "whet.compat.marks: experimental; whet.streaming: StatusMessage StatusMessageProvider; "
        "whet.compat.parallelizer: ParallelExecutor; whet.compat.failure: format_error_for_lm; "
        "whet.lm.inspect: pretty_print_history=print_history"
    ),
    "utils.annotation": "whet.compat.marks: experimental",
    "utils.asyncify": "whet.compat.defaults: get_async_max_workers get_limiter",
    "utils.callback": "whet.core.events: ACTIVE_CALL_ID BaseCallback with_callbacks",
    "utils.dummies": "whet.compat.dummies: DummyLM DummyVectorizer dummy_rm",
    "utils.exceptions": ("whet.compat.failure: LMCollectionLimitError LMLockTimeoutError LMStreamAssemblyError format_error_for_lm"),
    "utils.inspect_history": "whet.lm.inspect: pretty_print_history=print_history",
    "utils.langchain_tool": "whet.tools.tool: convert_langchain_tool=Tool.from_langchain",
    "utils.logging_utils": "whet.compat.logs: disable_litellm_logging disable_logging enable_litellm_logging enable_logging",
    "utils.magicattr": "whet.compat.magicattr: delete get set",
    "utils.mcp": "whet.tools.tool: convert_mcp_tool=Tool.from_mcp_tool",
    "utils.parallelizer": "whet.compat.parallelizer: ParallelExecutor",
    "utils.saving": "whet.compat.saving: load; whet.modules.state: get_dependency_versions=dependency_versions",
    "utils.syncify": "whet.core.flow: run_async=run_coroutine",
    "utils.unbatchify": "whet.core.unbatchify: Unbatchify",
    "utils.usage_tracker": "whet.lm.usage: UsageTracker track_usage",
}

# The module paths of DSPy 2.5 to 3.4 that programs import, below the package.
_OLD: Final = {
    "adapters": "base baml_adapter chat_adapter json_adapter two_step_adapter types utils xml_adapter",
    "adapters.types": "audio base_type citation code decision document file history image reasoning tool",
    "clients": "base_lm cache embedding lm lm_local openai provider databricks",
    "datasets": "alfworld colors dataloader dataset gsm8k hotpotqa math",
    "dsp": "colbertv2 utils",
    "dsp.utils": "settings",
    "evaluate": "auto_evaluation evaluate metrics",
    "experimental": "",
    "predict": (
        "aggregation avatar best_of_n chain_of_thought chain_of_thought_with_hint code_act knn multi_chain_comparison parallel parameter "
        "predict program_of_thought react react_v2 refine rlm"
    ),
    "primitives": ("assertions base_module code_interpreter example module prediction program python_interpreter sandbox_serializable"),
    "retrievers": "embeddings retrieve",
    "signatures": "field signature",
    "streaming": "messages streamify streaming_listener",
    "teleprompt": (
        "avatar_optimizer bettertogether bootstrap bootstrap_finetune bootstrap_trace copro_optimizer ensemble gepa grpo infer_rules "
        "knn_fewshot mipro_optimizer_v2 random_search signature_opt signature_opt_bayesian simba teleprompt teleprompt_optuna vanilla"
    ),
    "teleprompt.gepa": "gepa",
    "utils": (
        "annotation asyncify callback dummies exceptions inspect_history logging_utils parallelizer saving syncify unbatchify usage_tracker"
    ),
}

PATHS: Final = frozenset({*_OLD, *_EXTRA, *(f"{parent}.{leaf}" for parent, leaves in _OLD.items() for leaf in leaves.split())})


def has_children(path: str) -> bool:
    """Whether other old paths lie below this one."""
    return path in _OLD


def is_below(path: str, name: str) -> bool:
    """Whether this is the last part of an old path below the other."""
    return f"{path}.{name}".lstrip(".") in PATHS


def names_of(path: str) -> list[str]:
    """What `from ... import *` of an old path gives: its own names, else all public names of `whet`."""
    own = _table(path)
    return sorted({*own, *import_module("whet").__all__} - {"__version__"})


def find(path: str, name: str) -> Any:
    """What an old path offers under a name. Raises `AttributeError` where there is nothing."""
    if (home := _table(path).get(name)) is not None:
        return _fetched(home)
    if f"{path}.{name}" in PATHS and name not in import_module("whet").__all__:
        return import_module(f"whet.{path}.{name}")
    try:
        return getattr(import_module("whet"), name)
    except AttributeError:
        raise AttributeError(f"module 'whet.{path}' has no attribute {name!r}; docs/migration.md says what became of old names") from None


def function(parent: str, leaf: str) -> Any:
    """The function that shares its old path with a module."""
    if (home := _table(parent).get(leaf)) is not None:
        return _fetched(home)
    root = import_module("whet")
    home = root._HOMES.get(leaf)
    if home is None:
        raise TypeError(f"the module 'whet.{parent}{'.' if parent else ''}{leaf}' is not callable")
    return getattr(import_module(home), leaf)


def _table(path: str) -> dict[str, tuple[str, str]]:
    """What a path offers besides the public names: old name -> (home, name there)."""
    table = {}
    for part in filter(None, map(str.strip, _EXTRA.get(path, "").split(";"))):
        home, _, names = part.partition(":")
        for name in names.split():
            old, _, new = name.partition("=")
            table[old] = (home, new or old)
    return table


def _fetched(home: tuple[str, str]) -> Any:
    return attrgetter(home[1])(import_module(home[0]))
