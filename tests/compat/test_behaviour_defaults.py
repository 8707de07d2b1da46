"""Public callables keep the argument names and the defaults that people know (behaviour specification, 28.5).

Left out is what docs/migration.md lists: no time limit by default for calls side by side, no second call in another format.
"""

from __future__ import annotations

import ast
import inspect
from operator import attrgetter
from typing import Any

import pytest

import whet as dspy

TABLE = """
BaseLM: model_type='chat', temperature=None, max_tokens=None, cache=True, callbacks=None, num_retries=3
BootstrapFewShot: metric=None, metric_threshold=None, teacher_settings=None, max_bootstrapped_demos=4, max_labeled_demos=16,
    max_rounds=1, max_errors=None
BootstrapFewShotWithRandomSearch: teacher_settings=None, max_bootstrapped_demos=4, max_labeled_demos=16, max_rounds=1,
    num_candidate_programs=16, num_threads=None, max_errors=None, stop_at_score=None, metric_threshold=None
BootstrapFinetune: metric=None, multitask=True, train_kwargs=None, adapter=None, exclude_demos=False, num_threads=None
CodeAct: max_iters=5
ColBERTv2: url='http://0.0.0.0', port=None, post_requests=False
ContextWindowExceededError: model=None, message='Context window exceeded'
COPRO: prompt_model=None, metric=None, breadth=10, depth=3, init_temperature=1.4, track_stats=False
Embedder: batch_size=200, caching=True
Embeddings: k=5, brute_force_threshold=20000, normalize=True
Ensemble: reduce_fn=None, size=None, deterministic=False
Evaluate: metric=None, num_threads=None, display_progress=False, display_table=False, max_errors=None, provide_traceback=None,
    failure_score=0.0, save_as_csv=None, save_as_json=None
GEPA: auto=None, max_full_evals=None, max_metric_calls=None, reflection_lm=None, reflection_minibatch_size=3,
    candidate_selection_strategy='pareto', skip_perfect_score=True, instruction_proposer=None, component_selector='round_robin',
    use_merge=True, num_threads=None, failure_score=0.0, perfect_score=1.0, log_dir=None, track_stats=False, track_best_outputs=False,
    seed=0, gepa_kwargs=None
Image.from_url: verify=True, timeout=30.0
LM: model_type='chat', temperature=None, max_tokens=None, cache=True, callbacks=None, num_retries=3, provider=None,
    finetuning_model=None, launch_kwargs=None, train_kwargs=None, use_developer_role=False
LabeledFewShot: k=16
MIPROv2: prompt_model=None, task_model=None, teacher_settings=None, max_bootstrapped_demos=4, max_labeled_demos=4, auto='light',
    num_candidates=None, num_threads=None, max_errors=None, seed=9
Module.batch: num_threads=None, max_errors=None, return_failed_examples=False, provide_traceback=None, disable_progress_bar=False,
    straggler_limit=3
Module.named_sub_modules: type_=None, skip_compiled=False
MultiChainComparison: M=3, temperature=0.7
Parallel: num_threads=None, max_errors=None, access_examples=True, return_failed_examples=False, provide_traceback=None,
    disable_progress_bar=False, straggler_limit=3
ProgramOfThought: max_iters=3
PythonInterpreter: tools=None, output_fields=None, enable_read_paths=None, enable_write_paths=None, enable_env_vars=None,
    enable_network_access=None, sync_files=True, callbacks=None
RLM: max_iters=20, max_llm_calls=50, max_output_chars=10000, verbose=False, tools=None, sub_lm=None
ReAct: max_iters=20
ReActV2: max_iters=20
Retrieve: k=3
SIMBA: bsize=32, num_candidates=6, max_steps=8, max_demos=4, prompt_model=None
Tool: name=None, desc=None, args=None, arg_types=None, arg_desc=None
Tool.from_mcp_tool: result_mode='text'
bootstrap_trace_data: metric=None, num_threads=None, raise_on_error=True, capture_failed_parses=False, failure_score=0,
    format_failure_score=-1, capture_crashes=False
configure_cache: enable_disk_cache=True, enable_memory_cache=True, memory_max_entries=1000000, restrict_pickle=False, safe_types=None
datasets.Dataset: train_seed=0, train_size=None, eval_seed=0, dev_size=None, test_size=None, input_keys=None
evaluate.CompleteAndGrounded: threshold=0.66
evaluate.SemanticF1: threshold=0.66, decompositional=False
inspect_history: n=1, file=None
make_signature: instructions=None, signature_name='StringSignature', custom_types=None
streamify: status_message_provider=None, stream_listeners=None, include_final_prediction_in_output_stream=True, is_async_program=False,
    async_streaming=True
streaming.StreamListener: predict=None, predict_name=None, allow_reuse=False
syncify: in_place=True
utils.DummyLM: follow_examples=False, reasoning=False, adapter=None
utils.unbatchify.Unbatchify: max_batch_size=32, max_wait_time=0.1
"""


def entries() -> dict[str, dict[str, Any]]:
    """The table by name; each entry reads as the arguments of a call."""
    found = {}
    for line in TABLE.strip().replace("\n    ", " ").splitlines():
        name, _, arguments = line.partition(": ")
        call = ast.parse(f"call({arguments})", mode="eval").body
        assert isinstance(call, ast.Call)
        found[name] = {keyword.arg or "": ast.literal_eval(keyword.value) for keyword in call.keywords}
    return found


@pytest.mark.parametrize(("name", "defaults"), entries().items())
def test_arguments_have_the_names_and_defaults_that_people_know(name: str, defaults: dict[str, Any]) -> None:
    parameters = inspect.signature(attrgetter(name)(dspy)).parameters
    assert {argument: parameters[argument].default for argument in defaults} == defaults


@pytest.mark.parametrize("wrong", [None, 0, -1])
def test_a_cache_for_no_entries_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="memory_max_entries"):
        dspy.clients.Cache(enable_disk_cache=False, memory_max_entries=wrong)
