"""Program language models instead of prompting them: declare a step, pick a module, say what is good, let an optimizer improve it.

Every public name is listed here, sorted, with the module that holds it, and is imported when it is first used, so that
`import whet` costs a few milliseconds. To add a name: one line in `_HOMES` and one in the block for type checkers
(`tests/test_house_rules.py` says which line is missing).
"""

from __future__ import annotations

from importlib import import_module

from whet.compat.finder import serve_old_paths

TYPE_CHECKING = False  # the checkers read this name as true; importing it from `typing` would cost what all of `whet` costs
if TYPE_CHECKING:
    from whet.adapters.baml import (
        BAMLAdapter as BAMLAdapter,
    )
    from whet.adapters.base import (
        Adapter as Adapter,
    )
    from whet.adapters.chat import (
        ChatAdapter as ChatAdapter,
    )
    from whet.adapters.json import (
        JSONAdapter as JSONAdapter,
    )
    from whet.adapters.template import (
        TemplateAdapter as TemplateAdapter,
    )
    from whet.adapters.two_step import (
        TwoStepAdapter as TwoStepAdapter,
    )
    from whet.adapters.xml import (
        XMLAdapter as XMLAdapter,
    )
    from whet.compat.cache import (
        cache as cache,
    )
    from whet.compat.logs import (
        disable_litellm_logging as disable_litellm_logging,
        disable_logging as disable_logging,
        enable_litellm_logging as enable_litellm_logging,
        enable_logging as enable_logging,
    )
    from whet.compat.names import (
        BaseModule as BaseModule,
        DSPyError as DSPyError,
        SignatureMeta as SignatureMeta,
        inspect_history as inspect_history,
    )
    from whet.compat.saving import (
        load as load,
        load_settings as load_settings,
    )
    from whet.compat.teleprompt import (
        BayesianSignatureOptimizer as BayesianSignatureOptimizer,
    )
    from whet.compat.trace_data import (
        bootstrap_trace_data as bootstrap_trace_data,
    )
    from whet.compat.typed import (
        Assistant as Assistant,
        Developer as Developer,
        LMConfig as LMConfig,
        LMMessage as LMMessage,
        LMRequest as LMRequest,
        LMResponse as LMResponse,
        System as System,
        ToolResult as ToolResult,
        User as User,
    )
    from whet.core.context import (
        configure as configure,
        context as context,
        settings as settings,
    )
    from whet.core.events import (
        BaseCallback as BaseCallback,
    )
    from whet.core.exchange import (
        Capabilities as Capabilities,
        Citation as Citation,
        Request as Request,
        Response as Response,
        ResponseChoice as ResponseChoice,
        StreamEvent as StreamEvent,
        ToolSpec as ToolSpec,
        Usage as Usage,
    )
    from whet.core.field import (
        Field as Field,
        InputField as InputField,
        OutputField as OutputField,
        infer_prefix as infer_prefix,
    )
    from whet.core.function import (
        signature_of_function as signature_of_function,
    )
    from whet.core.messages import (
        Message as Message,
        ToolCallPart as ToolCallPart,
    )
    from whet.core.param import (
        Param as Param,
    )
    from whet.core.recording import (
        trace as trace,
    )
    from whet.core.records import (
        Completions as Completions,
        Example as Example,
        Prediction as Prediction,
        Score as Score,
    )
    from whet.core.signature import (
        Signature as Signature,
        ensure_signature as ensure_signature,
        make_signature as make_signature,
    )
    from whet.core.spans import (
        watch as watch,
    )
    from whet.core.trace import (
        CallRecord as CallRecord,
        Step as Step,
        Trace as Trace,
    )
    from whet.core.types.audio import (
        Audio as Audio,
    )
    from whet.core.types.choice import (
        Choice as Choice,
    )
    from whet.core.types.custom import (
        Type as Type,
    )
    from whet.core.types.document import (
        Citations as Citations,
        Document as Document,
    )
    from whet.core.types.file import (
        File as File,
        Video as Video,
    )
    from whet.core.types.history import (
        History as History,
    )
    from whet.core.types.image import (
        Image as Image,
    )
    from whet.core.types.text import (
        Code as Code,
        Reasoning as Reasoning,
    )
    from whet.core.types.tools import (
        ToolCall as ToolCall,
        ToolCallResults as ToolCallResults,
        ToolCalls as ToolCalls,
    )
    from whet.errors import (
        AdapterParseError as AdapterParseError,
        AssertionFailed as AssertionFailed,
        BudgetExceeded as BudgetExceeded,
        CodeExecutionError as CodeExecutionError,
        CodeInterpreterError as CodeInterpreterError,
        ConfigurationError as ConfigurationError,
        ContextWindowExceededError as ContextWindowExceededError,
        EvaluationError as EvaluationError,
        InputError as InputError,
        LMAuthError as LMAuthError,
        LMBillingError as LMBillingError,
        LMConfigurationError as LMConfigurationError,
        LMError as LMError,
        LMInvalidRequestError as LMInvalidRequestError,
        LMNotConfiguredError as LMNotConfiguredError,
        LMNotRecordedError as LMNotRecordedError,
        LMProviderError as LMProviderError,
        LMRateLimitError as LMRateLimitError,
        LMServerError as LMServerError,
        LMTimeoutError as LMTimeoutError,
        LMTransportError as LMTransportError,
        LMUnexpectedError as LMUnexpectedError,
        LMUnsupportedFeatureError as LMUnsupportedFeatureError,
        LMUnsupportedModelError as LMUnsupportedModelError,
        MissingExtraError as MissingExtraError,
        SchemaError as SchemaError,
        SignatureError as SignatureError,
        StateError as StateError,
        ToolError as ToolError,
        TrainingError as TrainingError,
        TruncatedError as TruncatedError,
        WhetError as WhetError,
        is_retryable_lm_error as is_retryable_lm_error,
    )
    from whet.evaluate.evaluate import (
        Evaluate as Evaluate,
    )
    from whet.evaluate.row import (
        EvaluationResult as EvaluationResult,
    )
    from whet.lm.base import (
        BaseLM as BaseLM,
    )
    from whet.lm.budget import (
        budget as budget,
    )
    from whet.lm.cache import (
        explain_cache as explain_cache,
    )
    from whet.lm.cassette import (
        cassette as cassette,
    )
    from whet.lm.configure_cache import (
        configure_cache as configure_cache,
    )
    from whet.lm.embedder import (
        Embedder as Embedder,
    )
    from whet.lm.facts import (
        Price as Price,
    )
    from whet.lm.fallback import (
        Fallback as Fallback,
    )
    from whet.lm.lm import (
        LM as LM,
    )
    from whet.lm.provider import (
        Provider as Provider,
        ReinforceJob as ReinforceJob,
        TrainingJob as TrainingJob,
    )
    from whet.lm.router import (
        Router as Router,
    )
    from whet.lm.usage import (
        track_usage as track_usage,
    )
    from whet.modules.assertion import (
        Assert as Assert,
        Suggest as Suggest,
    )
    from whet.modules.best_of import (
        BestOfN as BestOfN,
    )
    from whet.modules.chain_of_thought import (
        ChainOfThought as ChainOfThought,
        ChainOfThoughtWithHint as ChainOfThoughtWithHint,
    )
    from whet.modules.check import (
        Check as Check,
    )
    from whet.modules.code_act import (
        CodeAct as CodeAct,
    )
    from whet.modules.comparison import (
        MultiChainComparison as MultiChainComparison,
    )
    from whet.modules.function_program import (
        cot as cot,
        predict as predict,
    )
    from whet.modules.module import (
        Module as Module,
    )
    from whet.modules.parallel import (
        Parallel as Parallel,
    )
    from whet.modules.predict import (
        Predict as Predict,
    )
    from whet.modules.program_of_thought import (
        ProgramOfThought as ProgramOfThought,
    )
    from whet.modules.react import (
        ReAct as ReAct,
    )
    from whet.modules.refine import (
        Refine as Refine,
    )
    from whet.modules.retrieve import (
        Retrieve as Retrieve,
    )
    from whet.modules.rlm import (
        RLM as RLM,
    )
    from whet.modules.streaming.streamify import (
        streamify as streamify,
    )
    from whet.modules.tool_dialogue import (
        ReActV2 as ReActV2,
    )
    from whet.modules.voting import (
        majority as majority,
    )
    from whet.modules.worlds import (
        asyncify as asyncify,
        syncify as syncify,
    )
    from whet.optimize.auto import (
        Auto as Auto,
    )
    from whet.optimize.avatar import (
        AvatarOptimizer as AvatarOptimizer,
    )
    from whet.optimize.better_together import (
        BetterTogether as BetterTogether,
    )
    from whet.optimize.bootstrap_finetune import (
        BootstrapFinetune as BootstrapFinetune,
    )
    from whet.optimize.collecting import (
        collect as collect,
    )
    from whet.optimize.copro import (
        COPRO as COPRO,
    )
    from whet.optimize.distill import (
        Distill as Distill,
    )
    from whet.optimize.ensemble import (
        Ensemble as Ensemble,
    )
    from whet.optimize.few_shot import (
        BootstrapFewShot as BootstrapFewShot,
        LabeledFewShot as LabeledFewShot,
    )
    from whet.optimize.gepa import (
        GEPA as GEPA,
    )
    from whet.optimize.grpo import (
        GRPO as GRPO,
    )
    from whet.optimize.infer_rules import (
        InferRules as InferRules,
    )
    from whet.optimize.journal import (
        load_best as load_best,
    )
    from whet.optimize.knn_few_shot import (
        KNNFewShot as KNNFewShot,
    )
    from whet.optimize.leret import (
        LeReT as LeReT,
    )
    from whet.optimize.miprov2 import (
        MIPROv2 as MIPROv2,
    )
    from whet.optimize.optimizer import (
        Optimizer as Optimizer,
    )
    from whet.optimize.optuna_few_shot import (
        BootstrapFewShotWithOptuna as BootstrapFewShotWithOptuna,
    )
    from whet.optimize.random_search import (
        BootstrapFewShotWithRandomSearch as BootstrapFewShotWithRandomSearch,
        BootstrapRS as BootstrapRS,
    )
    from whet.optimize.simba import (
        SIMBA as SIMBA,
    )
    from whet.optimize.textual_gradient import (
        TextualGradient as TextualGradient,
    )
    from whet.retrieve import (
        KNN as KNN,
        ColBERTv2 as ColBERTv2,
        Embeddings as Embeddings,
        EmbeddingsWithScores as EmbeddingsWithScores,
    )
    from whet.sandbox import (
        CodeInterpreter as CodeInterpreter,
        FinalOutput as FinalOutput,
        PythonInterpreter as PythonInterpreter,
        SandboxSerializable as SandboxSerializable,
    )
    from whet.tools.mcp import (
        mcp_tools as mcp_tools,
    )
    from whet.tools.tool import (
        Tool as Tool,
    )

__version__ = "0.1.0"

_HOMES: dict[str, str] = {
    "Adapter": "whet.adapters.base",
    "AdapterParseError": "whet.errors",
    "Assert": "whet.modules.assertion",
    "AssertionFailed": "whet.errors",
    "Assistant": "whet.compat.typed",
    "Audio": "whet.core.types.audio",
    "Auto": "whet.optimize.auto",
    "AvatarOptimizer": "whet.optimize.avatar",
    "BAMLAdapter": "whet.adapters.baml",
    "BaseCallback": "whet.core.events",
    "BaseLM": "whet.lm.base",
    "BaseModule": "whet.compat.names",
    "BayesianSignatureOptimizer": "whet.compat.teleprompt",
    "BestOfN": "whet.modules.best_of",
    "BetterTogether": "whet.optimize.better_together",
    "BootstrapFewShot": "whet.optimize.few_shot",
    "BootstrapFewShotWithOptuna": "whet.optimize.optuna_few_shot",
    "BootstrapFewShotWithRandomSearch": "whet.optimize.random_search",
    "BootstrapFinetune": "whet.optimize.bootstrap_finetune",
    "BootstrapRS": "whet.optimize.random_search",
    "BudgetExceeded": "whet.errors",
    "COPRO": "whet.optimize.copro",
    "CallRecord": "whet.core.trace",
    "Capabilities": "whet.core.exchange",
    "ChainOfThought": "whet.modules.chain_of_thought",
    "ChainOfThoughtWithHint": "whet.modules.chain_of_thought",
    "ChatAdapter": "whet.adapters.chat",
    "Check": "whet.modules.check",
    "Choice": "whet.core.types.choice",
    "Citation": "whet.core.exchange",
    "Citations": "whet.core.types.document",
    "Code": "whet.core.types.text",
    "CodeAct": "whet.modules.code_act",
    "CodeExecutionError": "whet.errors",
    "CodeInterpreter": "whet.sandbox",
    "CodeInterpreterError": "whet.errors",
    "ColBERTv2": "whet.retrieve",
    "Completions": "whet.core.records",
    "ConfigurationError": "whet.errors",
    "ContextWindowExceededError": "whet.errors",
    "DSPyError": "whet.compat.names",
    "Developer": "whet.compat.typed",
    "Distill": "whet.optimize.distill",
    "Document": "whet.core.types.document",
    "Embedder": "whet.lm.embedder",
    "Embeddings": "whet.retrieve",
    "EmbeddingsWithScores": "whet.retrieve",
    "Ensemble": "whet.optimize.ensemble",
    "Evaluate": "whet.evaluate.evaluate",
    "EvaluationError": "whet.errors",
    "EvaluationResult": "whet.evaluate.row",
    "Example": "whet.core.records",
    "Fallback": "whet.lm.fallback",
    "Field": "whet.core.field",
    "File": "whet.core.types.file",
    "FinalOutput": "whet.sandbox",
    "GEPA": "whet.optimize.gepa",
    "GRPO": "whet.optimize.grpo",
    "History": "whet.core.types.history",
    "Image": "whet.core.types.image",
    "InferRules": "whet.optimize.infer_rules",
    "InputError": "whet.errors",
    "InputField": "whet.core.field",
    "JSONAdapter": "whet.adapters.json",
    "KNN": "whet.retrieve",
    "KNNFewShot": "whet.optimize.knn_few_shot",
    "LM": "whet.lm.lm",
    "LMAuthError": "whet.errors",
    "LMBillingError": "whet.errors",
    "LMConfig": "whet.compat.typed",
    "LMConfigurationError": "whet.errors",
    "LMError": "whet.errors",
    "LMInvalidRequestError": "whet.errors",
    "LMMessage": "whet.compat.typed",
    "LMNotConfiguredError": "whet.errors",
    "LMNotRecordedError": "whet.errors",
    "LMProviderError": "whet.errors",
    "LMRateLimitError": "whet.errors",
    "LMRequest": "whet.compat.typed",
    "LMResponse": "whet.compat.typed",
    "LMServerError": "whet.errors",
    "LMTimeoutError": "whet.errors",
    "LMTransportError": "whet.errors",
    "LMUnexpectedError": "whet.errors",
    "LMUnsupportedFeatureError": "whet.errors",
    "LMUnsupportedModelError": "whet.errors",
    "LabeledFewShot": "whet.optimize.few_shot",
    "LeReT": "whet.optimize.leret",
    "MIPROv2": "whet.optimize.miprov2",
    "Message": "whet.core.messages",
    "MissingExtraError": "whet.errors",
    "Module": "whet.modules.module",
    "MultiChainComparison": "whet.modules.comparison",
    "Optimizer": "whet.optimize.optimizer",
    "OutputField": "whet.core.field",
    "Parallel": "whet.modules.parallel",
    "Param": "whet.core.param",
    "Predict": "whet.modules.predict",
    "Prediction": "whet.core.records",
    "Price": "whet.lm.facts",
    "ProgramOfThought": "whet.modules.program_of_thought",
    "Provider": "whet.lm.provider",
    "PythonInterpreter": "whet.sandbox",
    "RLM": "whet.modules.rlm",
    "ReAct": "whet.modules.react",
    "ReActV2": "whet.modules.tool_dialogue",
    "Reasoning": "whet.core.types.text",
    "Refine": "whet.modules.refine",
    "ReinforceJob": "whet.lm.provider",
    "Request": "whet.core.exchange",
    "Response": "whet.core.exchange",
    "ResponseChoice": "whet.core.exchange",
    "Retrieve": "whet.modules.retrieve",
    "Router": "whet.lm.router",
    "SIMBA": "whet.optimize.simba",
    "SandboxSerializable": "whet.sandbox",
    "SchemaError": "whet.errors",
    "Score": "whet.core.records",
    "Signature": "whet.core.signature",
    "SignatureError": "whet.errors",
    "SignatureMeta": "whet.compat.names",
    "StateError": "whet.errors",
    "Step": "whet.core.trace",
    "StreamEvent": "whet.core.exchange",
    "Suggest": "whet.modules.assertion",
    "System": "whet.compat.typed",
    "TemplateAdapter": "whet.adapters.template",
    "TextualGradient": "whet.optimize.textual_gradient",
    "Tool": "whet.tools.tool",
    "ToolCall": "whet.core.types.tools",
    "ToolCallPart": "whet.core.messages",
    "ToolCallResults": "whet.core.types.tools",
    "ToolCalls": "whet.core.types.tools",
    "ToolError": "whet.errors",
    "ToolResult": "whet.compat.typed",
    "ToolSpec": "whet.core.exchange",
    "Trace": "whet.core.trace",
    "TrainingError": "whet.errors",
    "TrainingJob": "whet.lm.provider",
    "TruncatedError": "whet.errors",
    "TwoStepAdapter": "whet.adapters.two_step",
    "Type": "whet.core.types.custom",
    "Usage": "whet.core.exchange",
    "User": "whet.compat.typed",
    "Video": "whet.core.types.file",
    "WhetError": "whet.errors",
    "XMLAdapter": "whet.adapters.xml",
    "asyncify": "whet.modules.worlds",
    "bootstrap_trace_data": "whet.compat.trace_data",
    "budget": "whet.lm.budget",
    "cache": "whet.compat.cache",
    "cassette": "whet.lm.cassette",
    "collect": "whet.optimize.collecting",
    "configure": "whet.core.context",
    "configure_cache": "whet.lm.configure_cache",
    "context": "whet.core.context",
    "cot": "whet.modules.function_program",
    "disable_litellm_logging": "whet.compat.logs",
    "disable_logging": "whet.compat.logs",
    "enable_litellm_logging": "whet.compat.logs",
    "enable_logging": "whet.compat.logs",
    "ensure_signature": "whet.core.signature",
    "explain_cache": "whet.lm.cache",
    "infer_prefix": "whet.core.field",
    "inspect_history": "whet.compat.names",
    "is_retryable_lm_error": "whet.errors",
    "load": "whet.compat.saving",
    "load_best": "whet.optimize.journal",
    "load_settings": "whet.compat.saving",
    "majority": "whet.modules.voting",
    "make_signature": "whet.core.signature",
    "mcp_tools": "whet.tools.mcp",
    "predict": "whet.modules.function_program",
    "settings": "whet.core.context",
    "signature_of_function": "whet.core.function",
    "streamify": "whet.modules.streaming.streamify",
    "syncify": "whet.modules.worlds",
    "trace": "whet.core.recording",
    "track_usage": "whet.lm.usage",
    "watch": "whet.core.spans",
}

_PACKAGES = frozenset({"adapters", "datasets", "errors", "evaluate", "optimize", "streaming", "testing"})
# Where programs written for DSPy look (`whet.compat.paths`).
_OLD_PACKAGES = frozenset({"clients", "dsp", "experimental", "predict", "primitives", "retrievers", "signatures", "teleprompt", "utils"})
serve_old_paths()

__all__ = ["__version__", *_HOMES]  # pyright: ignore[reportUnsupportedDunderAll] - one table, not two


if not TYPE_CHECKING:  # so that a checker reports `whet.Predcit`

    def __getattr__(name: str) -> object:
        """Import `name` from its home, once (PEP 562)."""
        if name in _OLD_PACKAGES:  # `predict` among them: that module is called as the function is
            return import_module(f"whet.{name}")
        if name in _HOMES:
            value: object = getattr(import_module(_HOMES[name]), name)
            globals()[name] = value
            return value
        if name in _PACKAGES:
            return import_module(f"whet.{name}")
        raise AttributeError(f"module 'whet' has no attribute {name!r}{_nearest(name)}")


def __dir__() -> list[str]:
    """The public names and the packages that `whet.` completes to."""
    return sorted({*__all__, *_PACKAGES})


def _nearest(name: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - only a misspelt name pays for it

    close = get_close_matches(name, __dir__(), n=1)
    return f"; did you mean `whet.{close[0]}`?" if close else ""
