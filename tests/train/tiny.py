"""A language model of a few thousand weights in transformers' format, made on the spot: nothing is downloaded. Needs the extra `train`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

WORDS = {"rose": "red", "fire": "red", "sea": "blue", "sky": "blue"}
MARKS = ("<pad>", "<eos>", "<unk>", "<|system|>", "<|user|>", "<|assistant|>", "\n")


def tiny_checkpoint(folder: Path, words: Sequence[str], *, seed: int = 0) -> Path:
    """A Llama of two layers with random weights, and a tokenizer that knows these lines as one token each."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    names = [*MARKS, *words]
    plain = Tokenizer(models.WordLevel({name: i for i, name in enumerate(names)}, unk_token="<unk>"))
    plain.pre_tokenizer = pre_tokenizers.Split("\n", "isolated")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>")
    torch.manual_seed(seed)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2}
    config = LlamaConfig(vocab_size=len(names), max_position_embeddings=64, pad_token_id=0, eos_token_id=1, bos_token_id=None, **shape)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
