"""What became of names and module paths that DSPy had in some version and whet has not: the sentence that an error ends with."""

from __future__ import annotations

from typing import Final

__all__ = ["became_of_import", "became_of_name", "became_of_path"]

_RETRIEVERS: Final = "any callable `(query, k=...)` is a retriever; `whet.retrieve` has `Embeddings`, `BM25` and `ColBERTv2`"
_PROPOSERS: Final = "what writes instructions is in `whet.optimize.proposers`"
_TYPED: Final = "`whet.Predict` and `whet.ChainOfThought` take types in the signature"
_LM: Final = "a model is `whet.LM('provider/model')`"
_AGENTS: Final = "agents are `whet.ReAct` and `whet.ReActV2`"
_ASSERT: Final = "a failed `whet.Assert` or `whet.Suggest` sends the answer back by itself"
_MODULE: Final = "call it in the `forward` of a `whet.Module`"

# A path counts for what lies below it; the longest one that fits is taken.
_PATHS: Final = {
    "adapters.image_utils": "use `whet.Image`",
    "backends": _LM,
    "clients": _LM,
    "dsp": _LM,
    "dsp.utils.dpr": "texts are compared by `whet.evaluate.metrics`",
    "functional": _TYPED,
    "modeling": _LM,
    "predict.avatar": _AGENTS,
    "predict.flex": "it ran code that a model wrote outside of a review",
    "predict.langchain": _MODULE,
    "predict.llamaindex": _MODULE,
    "primitives.repl_types": "`prediction.trajectory` is a list of dicts",
    "primitives.tool": "use `whet.Tool`",
    "primitives.vision": "use `whet.Image`",
    "propose": _PROPOSERS,
    "retrieve": _RETRIEVERS,
    "retrievers": _RETRIEVERS,
    "teleprompt.finetune": "use `whet.BootstrapFinetune`",
    "teleprompt.mipro_optimizer": "use `whet.MIPROv2`",
    "teleprompt.signature_opt_typed": "use `whet.COPRO`",
}


def _models(provider: str, names: str) -> dict[str, str]:
    return dict.fromkeys(names.split(), f"use `whet.LM('{provider}')`")


_NAMES: Final = {
    **_models("openai/gpt-4o-mini", "OpenAI GPT3 MultiOpenAI"),
    **_models("azure/your-deployment", "AzureOpenAI"),
    **_models("anthropic/your-model", "Anthropic Claude"),
    **_models("gemini/your-model", "Google"),
    **_models("vertex_ai/your-model", "GoogleVertexAI"),
    **_models("cohere/your-model", "Cohere"),
    **_models("mistral/your-model", "Mistral"),
    **_models("groq/your-model", "GROQ Groq"),
    **_models("together_ai/your-model", "Together"),
    **_models("databricks/your-model", "Databricks"),
    **_models("ollama_chat/your-model", "OllamaLocal"),
    **_models("bedrock/your-model", "Bedrock AWSMistral AWSAnthropic AWSMeta"),
    **_models("sagemaker/your-endpoint", "Sagemaker"),
    **_models(
        "openai/your-model', api_base='http://localhost:8000/v1",
        "Anyscale ChatModuleClient HFClientSGLang HFClientTGI HFClientVLLM HFModel LlamaCpp TensorRTModel VLLMOffline",
    ),
    "Avatar": _AGENTS,
    "ChromadbRM": _RETRIEVERS,
    "DatabricksRM": _RETRIEVERS,
    "Flex": _PATHS["predict.flex"],
    "FunctionalModule": _TYPED,
    "MIPRO": "use `whet.MIPROv2`",
    "OldInputField": "use `whet.InputField`",
    "OldOutputField": "use `whet.OutputField`",
    "Program": "use `whet.Module`",
    "Retry": f"{_ASSERT}; `dspy.predict.Retry` changes nothing",
    "RetrieveThenRerank": "use `whet.retrieve.Reranked`",
    "Template": "adapters lay out prompts; a layout of your own is `whet.TemplateAdapter`",
    "TypedChainOfThought": _TYPED,
    "TypedPredictor": _TYPED,
    "assert_transform_module": "import it from `dspy.primitives.assertions`",
    "backtrack_handler": "import it from `dspy.primitives.assertions`",
    "functional": _TYPED,
}


def became_of_name(name: str) -> str:
    """What to use in place of a name that DSPy had at its top, or nothing.

    >>> became_of_name("OllamaLocal")
    "use `whet.LM('ollama_chat/your-model')`"
    """
    return _NAMES.get(name, "")


def became_of_import(name: str) -> str:
    """The same for a name that no module path below `dspy` has, so that it can only be meant in `from dspy import ...`.

    >>> became_of_import("OldInputField"), became_of_import("functional")
    ('use `whet.InputField`', '')
    """
    return "" if name in _PATHS else became_of_name(name)


def became_of_path(path: str) -> str:
    """What to use in place of a module path below `dspy`, or nothing.

    >>> became_of_path("propose.grounded_proposer")
    'what writes instructions is in `whet.optimize.proposers`'
    """
    while path:
        if path in _PATHS:
            return _PATHS[path]
        path = path.rpartition(".")[0]
    return ""
