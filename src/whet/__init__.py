"""Program language models instead of prompting them: declare a step, pick a module, say what is good, let an optimizer improve it.

Every public name stands in one table under the module that holds it, and is imported when it is first used, so that `import whet` costs a
few milliseconds. Type checkers read the same table as imports. To add a name: in both (`tests/test_house_rules.py` says what is missing).
"""

from __future__ import annotations

from whet.compat.finder import serve_old_paths
from whet.lazy import door, homes_of

TYPE_CHECKING = False  # the checkers read this name as true; importing it from `typing` would cost what all of `whet` costs
if TYPE_CHECKING:
    from whet.adapters.baml import BAMLAdapter as BAMLAdapter
    from whet.adapters.base import Adapter as Adapter
    from whet.adapters.chat import ChatAdapter as ChatAdapter
    from whet.adapters.json import JSONAdapter as JSONAdapter
    from whet.adapters.template import TemplateAdapter as TemplateAdapter
    from whet.adapters.two_step import TwoStepAdapter as TwoStepAdapter
    from whet.adapters.xml import XMLAdapter as XMLAdapter
    from whet.compat.cache import cache as cache
    from whet.compat.failure import (
        LMCollectionLimitError as LMCollectionLimitError,
        LMLockTimeoutError as LMLockTimeoutError,
        LMStreamAssemblyError as LMStreamAssemblyError,
    )
    from whet.compat.interpreters import (
        LocalInterpreter as LocalInterpreter,
        resolve_interpreter_factory as resolve_interpreter_factory,
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
    from whet.compat.saving import load as load, load_settings as load_settings
    from whet.compat.teleprompt import BayesianSignatureOptimizer as BayesianSignatureOptimizer
    from whet.compat.trace_data import bootstrap_trace_data as bootstrap_trace_data
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
    from whet.core.context import configure as configure, context as context, settings as settings
    from whet.core.events import BaseCallback as BaseCallback
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
    from whet.core.field import Field as Field, InputField as InputField, OutputField as OutputField, infer_prefix as infer_prefix
    from whet.core.function import signature_of_function as signature_of_function
    from whet.core.messages import Message as Message, ToolCallPart as ToolCallPart
    from whet.core.param import Param as Param
    from whet.core.recording import trace as trace
    from whet.core.records import Completions as Completions, Example as Example, Prediction as Prediction, Score as Score
    from whet.core.signature import Signature as Signature, ensure_signature as ensure_signature, make_signature as make_signature
    from whet.core.spans import watch as watch
    from whet.core.trace import CallRecord as CallRecord, Step as Step, Trace as Trace
    from whet.core.types.audio import Audio as Audio
    from whet.core.types.choice import Choice as Choice
    from whet.core.types.custom import Type as Type
    from whet.core.types.document import Citations as Citations, Document as Document
    from whet.core.types.file import File as File, Video as Video
    from whet.core.types.history import History as History
    from whet.core.types.image import Image as Image
    from whet.core.types.text import Code as Code, Reasoning as Reasoning
    from whet.core.types.tools import ToolCall as ToolCall, ToolCallResults as ToolCallResults, ToolCalls as ToolCalls
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
        PreconditionError as PreconditionError,
        SchemaError as SchemaError,
        SignatureError as SignatureError,
        StateError as StateError,
        ToolError as ToolError,
        TrainingError as TrainingError,
        TruncatedError as TruncatedError,
        WhetError as WhetError,
        is_retryable_lm_error as is_retryable_lm_error,
    )
    from whet.evaluate.evaluate import Evaluate as Evaluate
    from whet.evaluate.row import EvaluationResult as EvaluationResult
    from whet.lm.base import BaseLM as BaseLM
    from whet.lm.budget import budget as budget
    from whet.lm.cache import explain_cache as explain_cache
    from whet.lm.cassette import cassette as cassette
    from whet.lm.configure_cache import configure_cache as configure_cache
    from whet.lm.embedder import Embedder as Embedder
    from whet.lm.facts import Price as Price
    from whet.lm.fallback import Fallback as Fallback
    from whet.lm.lm import LM as LM
    from whet.lm.provider import Provider as Provider, ReinforceJob as ReinforceJob, TrainingJob as TrainingJob
    from whet.lm.router import Router as Router
    from whet.lm.usage import track_usage as track_usage
    from whet.modules.assertion import Assert as Assert, Suggest as Suggest
    from whet.modules.best_of import BestOfN as BestOfN
    from whet.modules.chain_of_thought import ChainOfThought as ChainOfThought, ChainOfThoughtWithHint as ChainOfThoughtWithHint
    from whet.modules.check import Check as Check
    from whet.modules.code_act import CodeAct as CodeAct
    from whet.modules.comparison import MultiChainComparison as MultiChainComparison
    from whet.modules.function_program import cot as cot, predict as predict
    from whet.modules.module import Module as Module
    from whet.modules.parallel import Parallel as Parallel
    from whet.modules.predict import Predict as Predict
    from whet.modules.program_of_thought import ProgramOfThought as ProgramOfThought
    from whet.modules.react import ReAct as ReAct
    from whet.modules.refine import Refine as Refine
    from whet.modules.retrieve import Retrieve as Retrieve
    from whet.modules.rlm import RLM as RLM
    from whet.modules.streaming.streamify import streamify as streamify
    from whet.modules.tool_dialogue import ReActV2 as ReActV2
    from whet.modules.voting import majority as majority
    from whet.modules.worlds import asyncify as asyncify, syncify as syncify
    from whet.optimize.auto import Auto as Auto
    from whet.optimize.avatar import AvatarOptimizer as AvatarOptimizer
    from whet.optimize.better_together import BetterTogether as BetterTogether
    from whet.optimize.bootstrap_finetune import BootstrapFinetune as BootstrapFinetune
    from whet.optimize.collecting import collect as collect
    from whet.optimize.copro import COPRO as COPRO
    from whet.optimize.distill import Distill as Distill
    from whet.optimize.ensemble import Ensemble as Ensemble
    from whet.optimize.few_shot import BootstrapFewShot as BootstrapFewShot, LabeledFewShot as LabeledFewShot
    from whet.optimize.gepa import GEPA as GEPA
    from whet.optimize.grpo import GRPO as GRPO
    from whet.optimize.infer_rules import InferRules as InferRules
    from whet.optimize.journal import load_best as load_best
    from whet.optimize.knn_few_shot import KNNFewShot as KNNFewShot
    from whet.optimize.leret import LeReT as LeReT
    from whet.optimize.miprov2 import MIPROv2 as MIPROv2
    from whet.optimize.optimizer import Optimizer as Optimizer
    from whet.optimize.optuna_few_shot import BootstrapFewShotWithOptuna as BootstrapFewShotWithOptuna
    from whet.optimize.random_search import BootstrapFewShotWithRandomSearch as BootstrapFewShotWithRandomSearch, BootstrapRS as BootstrapRS
    from whet.optimize.simba import SIMBA as SIMBA
    from whet.optimize.textual_gradient import TextualGradient as TextualGradient
    from whet.retrieve import KNN as KNN, ColBERTv2 as ColBERTv2, Embeddings as Embeddings, EmbeddingsWithScores as EmbeddingsWithScores
    from whet.sandbox import (
        CodeInterpreter as CodeInterpreter,
        FinalOutput as FinalOutput,
        PythonInterpreter as PythonInterpreter,
        SandboxSerializable as SandboxSerializable,
    )
    from whet.tools.mcp import mcp_tools as mcp_tools
    from whet.tools.tool import Tool as Tool

__version__ = "0.1.0"
__author__ = "The whet authors"
__description__ = "Program language models: typed steps, honest scores, and optimizers that turn a program into better prompts or weights."
__url__ = ""  # programs print it; the project has no site

_HOMES = homes_of(
    __name__,
    {
        "adapters.baml": "BAMLAdapter",
        "adapters.base": "Adapter",
        "adapters.chat": "ChatAdapter",
        "adapters.json": "JSONAdapter",
        "adapters.template": "TemplateAdapter",
        "adapters.two_step": "TwoStepAdapter",
        "adapters.xml": "XMLAdapter",
        "compat.cache": "cache",
        "compat.failure": "LMCollectionLimitError LMLockTimeoutError LMStreamAssemblyError",
        "compat.interpreters": "LocalInterpreter resolve_interpreter_factory",
        "compat.logs": "disable_litellm_logging disable_logging enable_litellm_logging enable_logging",
        "compat.names": "BaseModule DSPyError SignatureMeta inspect_history",
        "compat.saving": "load load_settings",
        "compat.teleprompt": "BayesianSignatureOptimizer",
        "compat.trace_data": "bootstrap_trace_data",
        "compat.typed": "Assistant Developer LMConfig LMMessage LMRequest LMResponse System ToolResult User",
        "core.context": "configure context settings",
        "core.events": "BaseCallback",
        "core.exchange": "Capabilities Citation Request Response ResponseChoice StreamEvent ToolSpec Usage",
        "core.field": "Field InputField OutputField infer_prefix",
        "core.function": "signature_of_function",
        "core.messages": "Message ToolCallPart",
        "core.param": "Param",
        "core.recording": "trace",
        "core.records": "Completions Example Prediction Score",
        "core.signature": "Signature ensure_signature make_signature",
        "core.spans": "watch",
        "core.trace": "CallRecord Step Trace",
        "core.types.audio": "Audio",
        "core.types.choice": "Choice",
        "core.types.custom": "Type",
        "core.types.document": "Citations Document",
        "core.types.file": "File Video",
        "core.types.history": "History",
        "core.types.image": "Image",
        "core.types.text": "Code Reasoning",
        "core.types.tools": "ToolCall ToolCallResults ToolCalls",
        "errors": (
            "AdapterParseError AssertionFailed BudgetExceeded CodeExecutionError CodeInterpreterError ConfigurationError "
            "ContextWindowExceededError EvaluationError InputError LMAuthError LMBillingError LMConfigurationError LMError "
            "LMInvalidRequestError LMNotConfiguredError LMNotRecordedError LMProviderError LMRateLimitError LMServerError "
            "LMTimeoutError LMTransportError LMUnexpectedError LMUnsupportedFeatureError LMUnsupportedModelError "
            "MissingExtraError PreconditionError SchemaError SignatureError StateError ToolError TrainingError TruncatedError WhetError "
            "is_retryable_lm_error"
        ),
        "evaluate.evaluate": "Evaluate",
        "evaluate.row": "EvaluationResult",
        "lm.base": "BaseLM",
        "lm.budget": "budget",
        "lm.cache": "explain_cache",
        "lm.cassette": "cassette",
        "lm.configure_cache": "configure_cache",
        "lm.embedder": "Embedder",
        "lm.facts": "Price",
        "lm.fallback": "Fallback",
        "lm.lm": "LM",
        "lm.provider": "Provider ReinforceJob TrainingJob",
        "lm.router": "Router",
        "lm.usage": "track_usage",
        "modules.assertion": "Assert Suggest",
        "modules.best_of": "BestOfN",
        "modules.chain_of_thought": "ChainOfThought ChainOfThoughtWithHint",
        "modules.check": "Check",
        "modules.code_act": "CodeAct",
        "modules.comparison": "MultiChainComparison",
        "modules.function_program": "cot predict",
        "modules.module": "Module",
        "modules.parallel": "Parallel",
        "modules.predict": "Predict",
        "modules.program_of_thought": "ProgramOfThought",
        "modules.react": "ReAct",
        "modules.refine": "Refine",
        "modules.retrieve": "Retrieve",
        "modules.rlm": "RLM",
        "modules.streaming.streamify": "streamify",
        "modules.tool_dialogue": "ReActV2",
        "modules.voting": "majority",
        "modules.worlds": "asyncify syncify",
        "optimize.auto": "Auto",
        "optimize.avatar": "AvatarOptimizer",
        "optimize.better_together": "BetterTogether",
        "optimize.bootstrap_finetune": "BootstrapFinetune",
        "optimize.collecting": "collect",
        "optimize.copro": "COPRO",
        "optimize.distill": "Distill",
        "optimize.ensemble": "Ensemble",
        "optimize.few_shot": "BootstrapFewShot LabeledFewShot",
        "optimize.gepa": "GEPA",
        "optimize.grpo": "GRPO",
        "optimize.infer_rules": "InferRules",
        "optimize.journal": "load_best",
        "optimize.knn_few_shot": "KNNFewShot",
        "optimize.leret": "LeReT",
        "optimize.miprov2": "MIPROv2",
        "optimize.optimizer": "Optimizer",
        "optimize.optuna_few_shot": "BootstrapFewShotWithOptuna",
        "optimize.random_search": "BootstrapFewShotWithRandomSearch BootstrapRS",
        "optimize.simba": "SIMBA",
        "optimize.textual_gradient": "TextualGradient",
        "retrieve": "ColBERTv2 Embeddings EmbeddingsWithScores KNN",
        "sandbox": "CodeInterpreter FinalOutput PythonInterpreter SandboxSerializable",
        "tools.mcp": "mcp_tools",
        "tools.tool": "Tool",
    },
)

_PACKAGES = frozenset({"adapters", "datasets", "errors", "evaluate", "optimize", "streaming", "testing"})
# Where programs written for DSPy look (`whet.compat.paths`); `predict` among them: that module is called as the function is.
_OLD_PACKAGES = frozenset({"clients", "dsp", "experimental", "predict", "primitives", "retrievers", "signatures", "teleprompt", "utils"})
serve_old_paths()

__all__ = ["__version__", *_HOMES]  # pyright: ignore[reportUnsupportedDunderAll] - one table, not two

if not TYPE_CHECKING:  # so that a checker reports `whet.Predcit`
    __getattr__, __dir__ = door(__name__, _HOMES, _PACKAGES, unlisted=_OLD_PACKAGES, gone="whet.compat.gone")
